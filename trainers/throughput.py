"""``python -m trainers.throughput CONFIG.json`` (schemas.jobs.TrainingRateJob): how fast the ranks train.

The product's own engine, packing and step, on made-up sequences: forward, backward and an update, over and over. No
data is waited for, and nothing is kept.
"""

import os
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from schemas.jobs import TrainingRateJob
from schemas.settings import EngineeringSettings, OptimiserSettings
from schemas.sizes import architecture_in
from tasks import jobs
from trainers.ranks import launch

if TYPE_CHECKING:
    import torch

    from trainers.model.sequences import Sequence

WARM_UP = 3
"""Steps that are not measured."""
ROWS_PER_STEP = 4
"""Of each rank."""

_LEAST_STEPS = 3
_LR = 1e-5


@dataclass(frozen=True, slots=True)
class Throughput:
    """``mfu``: the share of the matrix rates of all ranks' devices that the model's own arithmetic took."""

    device: str
    ranks: int
    steps: int
    tokens_per_second: float
    """Of all ranks together."""
    mfu: float
    matrix_flops_per_second: float
    """Of rank 0's device, just before; on CPUs of as many threads as the rank has, while all ranks measure."""


def measure(job: TrainingRateJob) -> dict[str, Any]:
    """The figures of `throughput` on the ranks of the job."""
    import torch

    torch.set_num_threads(job.threads_per_rank)

    def tell(passed: float) -> None:
        jobs.report_progress(job.output, round(min(passed, job.seconds)), round(job.seconds), "seconds")

    found = throughput(job.start, job.engineering, job.longest // 10, job.longest, job.seconds, tell)
    return asdict(found)


def throughput(
    folder: str,
    engineering: EngineeringSettings,
    shortest: int,
    longest: int,
    seconds: float,
    tell: Callable[[float], None] = lambda passed: None,
) -> Throughput:
    """Train the model of a folder for so long, and some steps at least. All ranks call this together.

    Sequences are of even chances for lengths in [shortest, longest), packed in rows of the settings' tokens. Rank 0
    tells the seconds that were measured so far.
    """
    from trainers.model.flops import finish, matrix_flops_per_second, training_flops
    from trainers.ranks.deepspeed_engine import TrainingEngine
    from trainers.supervised.course import Step
    from trainers.supervised.loop import update

    model = architecture_in(folder)
    assert model is not None, "a model that we wrote ourselves"
    engine = TrainingEngine(folder, OptimiserSettings(lr=_LR), engineering)
    matrix = matrix_flops_per_second(engine.device, _dtype(engineering))
    (matrix_of_all,) = engine.sum_over_ranks(matrix)
    tokens = ROWS_PER_STEP * engineering.micro_batch_tokens * engine.ranks
    step = Step(phase=0, sequences=made_up_sequences(shortest, longest, tokens))
    done, began = 0, time.perf_counter()
    while True:
        if done == WARM_UP:
            finish(engine.device)
            began = time.perf_counter()
        update(engine, step, engineering.micro_batch_tokens, _LR)
        done += 1
        passed = time.perf_counter() - began
        if engine.rank == 0 and done > WARM_UP:
            tell(passed)
        if engine.from_rank_0(done >= WARM_UP + _LEAST_STEPS and passed > seconds):
            break
    finish(engine.device)
    steps = done - WARM_UP
    per_step = (time.perf_counter() - began) / steps
    lengths = [len(sequence) for sequence in step.sequences]
    return Throughput(
        device=device_name(engine.device),
        ranks=engine.ranks,
        steps=steps,
        tokens_per_second=round(sum(lengths) / per_step, 1),
        mfu=training_flops(model, lengths) / per_step / matrix_of_all,
        matrix_flops_per_second=matrix,
    )


def made_up_sequences(shortest: int, longest: int, n_tokens: int) -> "list[Sequence]":
    """Random tokens below 300, all trained, ``n_tokens`` in all or a little more."""
    import numpy as np

    from trainers.model.sequences import Sequence

    random, made, held = np.random.default_rng(1), [], 0
    while held < n_tokens:
        token_ids = random.integers(0, 300, int(random.integers(shortest, longest))).astype(np.int32)
        made.append(Sequence(token_ids, np.ones(len(token_ids), np.bool_)))
        held += len(token_ids)
    return made


def device_name(device: "torch.device") -> str:
    """The GPU's name, or what is known of the machine's processors."""
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} CPU, {os.cpu_count()} cores"


def _dtype(engineering: EngineeringSettings) -> "torch.dtype":
    import torch

    return torch.bfloat16 if engineering.dtype == "bf16" else torch.float32


if __name__ == "__main__":
    jobs.main(TrainingRateJob, lambda job: launch.on_ranks("trainers.throughput", job, measure))
