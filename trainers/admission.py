"""What is checked of a training before anything is started for it: its model, and the checkpoints it goes on from."""

from collections.abc import Sequence

from schemas.jobs import DapoJob, PretrainJob, SftJob, TrainingJob
from tasks import memory
from tasks.devices import Machine
from tasks.fitting import Demand, refuse_what_does_not_fit
from tasks.model_shape import ModelShape
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


def _demands(job: PretrainJob | SftJob | DapoJob, machines: Sequence[Machine]) -> list[Demand]:
    placement = job.placement
    demands = []
    if isinstance(job, DapoJob) and job.engine.kind == "vllm":
        demands.append(engine_demand(job.start, job.engine, placement, job.agent.max_tokens, machines))
    if placement.layout == "split":
        gpu_share = min(1.0, placement.gpus_per_rank)
    else:  # on the GPUs that there are, beside the engine
        gpu_share = float(any(machine.gpus for machine in machines)) - sum(engine.gpu_share for engine in demands)
    estimate = memory.of_rank(ModelShape.read(job.start), job.settings.engineering, job.ranks, _longest(job))
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
