"""What is checked of a training before anything is started for it: its model, and the checkpoints it goes on from."""

from collections.abc import Sequence

from schemas.config import PipelineConfig
from schemas.jobs import DapoJob, PretrainJob, SftJob, TrainingJob
from tasks import memory
from tasks.devices import Machine
from tasks.fitting import Demand, refuse_what_does_not_fit
from tasks.model_shape import ModelShape, shape_from_nothing
from tasks.rollouts.admission import engine_demand, refuse_other_vocabulary
from tasks.rollouts.tokenizer import AgentTokenizer
from trainers.origin import refuse_other_checkpoints


def refuse_unfit(job: TrainingJob, machines: Sequence[Machine]) -> None:
    """Raises BadInput where the model is too large or of another vocabulary, or a checkpoint is of another training.

    ``machines`` are those that the job's processes will live on.
    """
    if isinstance(job, PretrainJob | SftJob | DapoJob):
        refuse_other_vocabulary(job.start, AgentTokenizer.load(job.tokenizer))
        refuse_other_checkpoints(job)
        refuse_what_does_not_fit(_demands(job, machines), machines)


def refuse_unfit_config(config: PipelineConfig, machines: Sequence[Machine]) -> None:
    """Raises BadInput where a model of the config is too large for the machines on which its jobs will live together.

    This can be asked before there is any model: sizes are those of the config.
    """
    runtime, tokenizer = config.runtime, config.tokenizer
    if config.model is None or tokenizer is None:
        return
    name = config.model.path or "the model of section model"
    vocabulary = tokenizer.vocabulary or 0
    shape = ModelShape.read(name) if config.model.path else shape_from_nothing(config.model, vocabulary)
    supervised = [(config.base.engineering, config.base.document_tokens)] if config.base else []
    sfts = [config.sft, config.evolution.sft if config.evolution else None]
    supervised += [(sft.engineering, sft.max_length) for sft in sfts if sft is not None]
    on_gpu = any(machine.gpus for machine in machines)
    gpu_share = float(on_gpu)
    for engineering, longest in supervised:
        estimate = memory.of_rank(shape, engineering, runtime.ranks, longest, on_gpu)
        refuse_what_does_not_fit([Demand("a rank", name, runtime.ranks, estimate, gpu_share)], machines)
    if config.sft is None or runtime.engine.kind != "vllm":
        return
    demands = [engine_demand(name, shape, runtime.engine, runtime.placement, config.agent.max_tokens, machines)]
    if config.dapo is not None:  # one rank, beside the engine
        estimate = memory.of_rank(shape, config.dapo.engineering, 1, config.agent.max_tokens, on_gpu)
        demands.append(Demand("a rank", name, 1, estimate, gpu_share - demands[0].gpu_share))
    refuse_what_does_not_fit(demands, machines)


def _demands(job: PretrainJob | SftJob | DapoJob, machines: Sequence[Machine]) -> list[Demand]:
    placement, shape = job.placement, ModelShape.read(job.start)
    engineering = job.settings.engineering
    demands = []
    if isinstance(job, DapoJob) and job.engine.kind == "vllm":
        demands.append(engine_demand(job.start, shape, job.engine, placement, job.agent.max_tokens, machines))
    of_engine = sum(engine.gpu_share for engine in demands)
    if placement.is_in_cluster:
        gpu_share = min(1.0, placement.gpus_per_rank)
    else:  # on the GPUs that there are, beside the engine
        gpu_share = float(any(machine.gpus for machine in machines)) - of_engine
    estimate = memory.of_rank(shape, engineering, job.ranks, _longest(job), gpu_share > 0)
    if placement.layout == "shared" and of_engine:  # in turns, but that a rank keeps what it goes on from
        resting = memory.of_resting_rank(shape, engineering, job.ranks)
        demands.append(Demand("a rank beside an engine", job.start, job.ranks, resting, 1.0 - of_engine))
    return [Demand("a rank", job.start, job.ranks, estimate, gpu_share), *demands]


def _longest(job: PretrainJob | SftJob | DapoJob) -> int:
    """The most tokens that one sequence may have."""
    match job:
        case PretrainJob():
            return job.settings.document_tokens
        case SftJob():
            return job.settings.max_length
        case DapoJob():
            return job.agent.max_tokens
