"""Checks before a training starts any process: its model fits, and its checkpoints belong to it."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from schemas.config import PipelineConfig
from schemas.jobs import DapoJob, PretrainJob, SftJob, TrainingJob
from schemas.runtime import PlacementRuntime
from schemas.training_settings import EngineeringSettings
from schemas.training_steps import DapoStep, LanguageModellingStep, SampledStep, SftStep
from tasks.agent.tokenizer import AgentTokenizer
from tasks.capacity import memory
from tasks.capacity.devices import Machine
from tasks.capacity.fitting import Demand, refuse_what_does_not_fit
from tasks.capacity.memory import Estimate
from tasks.capacity.model_shape import ModelShape, shape_from_nothing
from tasks.rollouts.admission import engine_demand, refuse_other_vocabulary
from trainers.ranks.origin import refuse_other_checkpoints


class _Training(NamedTuple):
    """The inputs of the memory estimate of a training's ranks; ``longest`` is the most tokens of one sequence."""

    model: str
    shape: ModelShape
    engineering: EngineeringSettings
    longest: int
    ranks: int


def refuse_unfit(job: TrainingJob, machines: Sequence[Machine]) -> None:
    """Raises BadInput if the model is too large, its vocabulary differs, or a checkpoint belongs to another training.

    ``machines`` are those that the job's processes will run on.
    """
    if isinstance(job, PretrainJob | SftJob | DapoJob):
        refuse_other_vocabulary(job.start, AgentTokenizer.load(job.tokenizer))
        refuse_other_checkpoints(job)
        refuse_what_does_not_fit(_demands(job, machines), machines)


def refuse_unfit_config(config: PipelineConfig, machines: Sequence[Machine]) -> None:
    """Raises BadInput if a model of the config is too large for the machines that its jobs will share.

    It needs no finished model, because the sizes follow from the config.
    """
    runtime, tokenizer = config.runtime, config.tokenizer
    if config.model is None or tokenizer is None:
        return
    name = config.model.path or "the model of section model"
    vocabulary = tokenizer.vocabulary or 0
    shape = ModelShape.read(name) if config.model.path else shape_from_nothing(config.model, vocabulary)
    model = partial(_Training, name, shape)
    for step in config.training:
        match step:
            case LanguageModellingStep():
                training = model(step.engineering, step.document_tokens, runtime.ranks)
            case SftStep():
                training = model(step.engineering, step.max_length, runtime.ranks)
            case SampledStep():
                training = model(step.sft.engineering, step.sft.max_length, runtime.ranks)
            case _:
                continue
        refuse_what_does_not_fit([_of_ranks(training, runtime.placement, machines)], machines)
    if not config.training or not runtime.engine.loads_models:
        return
    engines = engine_demand(name, shape, runtime.engine, runtime.placement, config.agent.max_tokens, machines)
    refuse_what_does_not_fit([engines], machines)
    for step in config.training:
        if isinstance(step, DapoStep):
            ranks = runtime.ranks if runtime.placement.is_in_cluster else 1
            training = model(step.engineering, config.agent.max_tokens, ranks)
            refuse_what_does_not_fit(_beside(training, engines, runtime.placement, machines), machines)


def _demands(job: PretrainJob | SftJob | DapoJob, machines: Sequence[Machine]) -> list[Demand]:
    placement, shape = job.placement, ModelShape.read(job.start)
    training = _Training(job.start, shape, job.settings.engineering, _longest(job), job.ranks)
    if isinstance(job, DapoJob) and job.engine.loads_models:
        engines = engine_demand(job.start, shape, job.engine, placement, job.agent.max_tokens, machines)
        return _beside(training, engines, placement, machines)
    return [_of_ranks(training, placement, machines)]


def _of_ranks(
    training: _Training, placement: PlacementRuntime, machines: Sequence[Machine], taken: float = 0
) -> Demand:
    """The demand of the ranks of a training, on the GPUs of their placement.

    In layout `together` they use the machine's GPUs, of which an engine takes the share ``taken``.
    """
    if placement.is_in_cluster:
        gpu_share = min(1.0, placement.gpus_per_rank)
    else:
        gpu_share = float(any(machine.gpus for machine in machines)) - taken
    estimate = memory.of_rank(
        training.shape, training.engineering, training.ranks, training.longest, on_gpu=gpu_share > 0
    )
    return Demand("a rank", training.model, training.ranks, estimate, gpu_share)


def _beside(
    training: _Training, engines: Demand, placement: PlacementRuntime, machines: Sequence[Machine]
) -> list[Demand]:
    """The demands of DAPO's ranks and of the engines that run at the same time."""
    if not placement.is_in_cluster:
        ranks = _of_ranks(training, placement, machines, taken=engines.gpu_share)
        return [replace(ranks, estimate=_alone(ranks.estimate, training.engineering, engines)), engines]
    demands = [_of_ranks(training, placement, machines), engines]
    if placement.takes_turns and engines.gpu_share:
        # Ranks and engines take turns on a GPU, but a resting rank keeps its weights and optimiser there.
        resting = memory.of_resting_rank(training.shape, training.engineering, training.ranks)
        demands.append(
            Demand("a rank beside an engine", training.model, training.ranks, resting, 1.0 - engines.gpu_share)
        )
    return demands


def _alone(estimate: Estimate, engineering: EngineeringSettings, engines: Demand) -> Estimate:
    """The estimate of DAPO's single rank, with another remedy: more ranks or ZeRO do not make it smaller."""
    on_gpu = f", lower runtime.engine.gpu_memory_share ({engines.gpu_share:g})" if engines.gpu_share else ""
    remedy = (
        "in runtime.placement.layout together DAPO has one rank and ignores runtime.ranks: set layout to distributed "
        f"or shared{on_gpu}, lower engineering.micro_batch_tokens ({engineering.micro_batch_tokens}) or set "
        f"engineering.activation_checkpointing ({str(engineering.activation_checkpointing).lower()})"
    )
    return replace(estimate, remedy=remedy)


def _longest(job: PretrainJob | SftJob | DapoJob) -> int:
    """The largest number of tokens of one sequence."""
    match job:
        case PretrainJob():
            return job.settings.document_tokens
        case SftJob():
            return job.settings.max_length
        case DapoJob():
            return job.agent.max_tokens
