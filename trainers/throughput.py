"""``python -m trainers.throughput CONFIG.json`` (schemas.jobs.TrainingRateJob): the training rate of the ranks.

It repeats forward, backward and update on synthetic sequences, with the engine, packing and step of real trainings. It
reads no data and writes no weights.
"""

import os
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from schemas.jobs import TrainingRateJob
from schemas.sizes import architecture_in
from schemas.training_settings import EngineeringSettings, OptimiserSettings
from tasks import jobs
from trainers.ranks import launch

if TYPE_CHECKING:
    import torch

    from trainers.model.sequences import Sequence

WARM_UP = 3
"""Steps before the measurement."""
ROWS_PER_STEP = 4
"""Rows of each rank."""

_LEAST_STEPS = 3
_LR = 1e-5


@dataclass(frozen=True, slots=True)
class Throughput:
    """``mfu``: flops of the model per second, divided by the matrix rates of all ranks' devices."""

    device: str
    ranks: int
    steps: int
    tokens_per_second: float
    """The rate of all ranks together."""
    mfu: float
    matrix_flops_per_second: float
    """The rate of rank 0's device before the steps; on CPUs that of the rank's threads while all ranks measure."""


def measure(job: TrainingRateJob) -> dict[str, Any]:
    """The figures of `throughput` for a job."""
    import torch

    torch.set_num_threads(job.threads_per_rank)

    def report(passed: float) -> None:
        jobs.report_progress(job.output, round(min(passed, job.seconds)), round(job.seconds), "seconds")

    return asdict(throughput(job.start, job.engineering, job.longest // 10, job.longest, job.seconds, report))


def throughput(
    folder: str,
    engineering: EngineeringSettings,
    shortest: int,
    longest: int,
    seconds: float,
    report: Callable[[float], None] = lambda passed: None,
) -> Throughput:
    """Train the model of a folder for ``seconds``, and at least `_LEAST_STEPS` steps. All ranks call this together.

    Lengths of sequences are uniform in [shortest, longest); rows are packed with the settings' micro-batch tokens. Rank
    0 calls ``report`` with the seconds measured so far.
    """
    from trainers.model.flops import finish, matrix_flops_per_second, training_flops
    from trainers.ranks.deepspeed_engine import TrainingEngine
    from trainers.supervised.course import Step
    from trainers.supervised.loop import update

    model = architecture_in(folder)
    assert model is not None, "the pipeline wrote this model"
    engine = TrainingEngine(folder, OptimiserSettings(lr=_LR), engineering)
    matrix = matrix_flops_per_second(engine.device, _dtype(engineering))
    (matrix_of_all,) = engine.sum_over_ranks(matrix)
    tokens = ROWS_PER_STEP * engineering.micro_batch_tokens * engine.ranks
    step = Step(phase=0, sequences=synthetic_sequences(shortest, longest, tokens))
    done, began = 0, time.perf_counter()
    while True:
        if done == WARM_UP:
            finish(engine.device)
            began = time.perf_counter()
        update(engine, step, engineering.micro_batch_tokens, _LR)
        done += 1
        passed = time.perf_counter() - began
        if engine.rank == 0 and done > WARM_UP:
            report(passed)
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


def synthetic_sequences(shortest: int, longest: int, n_tokens: int) -> "list[Sequence]":
    """Sequences of random token ids below 300, all trained, with ``n_tokens`` in total or slightly more."""
    import numpy as np

    from trainers.model.sequences import Sequence

    random, made, held = np.random.default_rng(1), [], 0
    while held < n_tokens:
        token_ids = random.integers(0, 300, int(random.integers(shortest, longest))).astype(np.int32)
        made.append(Sequence(token_ids, np.ones(len(token_ids), np.bool_)))
        held += len(token_ids)
    return made


def device_name(device: "torch.device") -> str:
    """The GPU's name, or the architecture and number of the machine's CPU cores."""
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} CPU, {os.cpu_count()} cores"


def _dtype(engineering: EngineeringSettings) -> "torch.dtype":
    import torch

    return torch.bfloat16 if engineering.dtype == "bf16" else torch.float32


if __name__ == "__main__":
    jobs.main(TrainingRateJob, lambda job: launch.on_ranks("trainers.throughput", job, measure))
