"""GPU utilisation of training: Qwen2 of 0.5B and 1.5B parameters with random weights, on packed rows.

    python -m tests.bench.bench_gpu_training [--seconds 10]    on one GPU, in bf16 with ZeRO-2
    python -m tests.bench.bench_gpu_training --tiny          the same program with tiny sizes, also on CPUs

It has been run only with ``--tiny`` on CPUs, not on a GPU yet.

Every case is a separate process, so that its peak of memory can be measured; a case that runs out of memory is reported
in its line. Model flops utilisation (MFU) is defined in trainers/model/flops.py.
"""

import argparse
import multiprocessing
import os
import platform
import resource
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import product

from schemas.sizes import SIZES, parameters_of
from tasks.capacity.processes import free_port
from trainers.throughput import ROWS_PER_STEP, WARM_UP


@dataclass(frozen=True)
class Case:
    """``row_tokens`` go through the model at once: sequences of ``shortest`` to ``longest`` tokens, packed."""

    model: str
    row_tokens: int
    shortest: int
    longest: int
    checkpointing: bool


@dataclass(frozen=True)
class Figures:
    parameters: int
    tokens_per_second: float
    mfu: float
    matrix_tflops: float
    peak_gib: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10, help=f"of a case, after {WARM_UP} steps to warm up")
    parser.add_argument("--tiny", action="store_true", help="tiny sizes: does the program work?")
    arguments = parser.parse_args()
    import torch

    if not (arguments.tiny or torch.cuda.is_available()):
        parser.error("no GPU here: --tiny shows that the program works")
    if arguments.tiny:
        cases = [Case("tiny", row_tokens, 20, 200, checkpointing) for row_tokens, checkpointing in _both((256, 512))]
    else:
        cases = [
            Case(model, row_tokens, 200, 2000, checkpointing)
            for model in ("0.5B", "1.5B")
            for row_tokens, checkpointing in _both((4096, 8192))
        ]
    print(f"{_machine()}: bf16, ZeRO-2, one rank, {ROWS_PER_STEP} rows a step")
    print("model  row tokens  checkpointing  parameters  tokens/s     MFU  matrix TFLOP/s  peak GiB")
    for case in cases:
        print(_line(case, arguments.seconds), flush=True)


def _both(row_tokens: tuple[int, ...]) -> product:
    return product(row_tokens, (False, True))


def _line(case: Case, seconds: float) -> str:
    start = f"{case.model:5}  {case.row_tokens:10,}  {'on' if case.checkpointing else 'off':13}"
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        figures = process.submit(_measure, case, seconds).result()
    if figures is None:
        return f"{start}  out of memory"
    return (
        f"{start}  {figures.parameters / 1e6:8,.1f} M  {figures.tokens_per_second:8,.0f}  {figures.mfu:6.1%}"
        f"  {figures.matrix_tflops:14,.2f}  {figures.peak_gib:8.2f}"
    )


def _machine() -> str:
    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"{platform.node()}, {platform.machine()}, {os.cpu_count()} cores"


def _measure(case: Case, seconds: float) -> Figures | None:
    """Train for so long on ready rows; None where memory runs out."""
    import torch

    from schemas.training_settings import EngineeringSettings
    from trainers.model.weights import new_model
    from trainers.ranks.launch import environment_of
    from trainers.throughput import throughput

    os.environ.update(environment_of(rank=0, ranks=1, port=free_port()))
    engineering = EngineeringSettings(
        dtype="bf16",
        zero_stage=2,
        activation_checkpointing=case.checkpointing,
        micro_batch_tokens=case.row_tokens,
    )
    model = SIZES[case.model].model_copy(update={"dtype": "bf16"})
    try:
        with tempfile.TemporaryDirectory() as folder:
            new_model(model, 0, f"{folder}/model")
            found = throughput(f"{folder}/model", engineering, case.shortest, case.longest, seconds)
    except torch.OutOfMemoryError:
        return None
    return Figures(
        parameters=parameters_of(model),
        tokens_per_second=found.tokens_per_second,
        mfu=found.mfu,
        matrix_tflops=found.matrix_flops_per_second / 1e12,
        peak_gib=_peak_bytes() / 2**30,
    )


def _peak_bytes() -> int:
    """Of tensors on the GPU; without one, of the whole process."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()
