"""How well training uses a GPU: Qwen2 of 0.5B and 1.5B parameters with random weights, on packed rows.

    python -m tests.bench.bench_gpu_training [--steps 8]     on one GPU, in bf16 with ZeRO-2
    python -m tests.bench.bench_gpu_training --tiny          the same program with tiny sizes, on CPUs too

It has been run with ``--tiny`` on CPUs alone, not on a GPU yet.

Every case is a process of its own, so that its peak of memory is its own; one that runs out of memory is a line that
says so. Model flops utilisation (MFU) is the share of the matrix rate, as measured on the device just before, that the
model's own arithmetic takes, forward and backward; what activation checkpointing computes again does not count:

    flops = 6 N tokens + 6 L H K Σ n²

after PaLM (arXiv 2204.02311, appendix B): N parameters, the embedding's once (it is the tied output head); L layers of
H heads of size K; n the length of each sequence. PaLM's 12 is halved, because causal attention computes half of the
scores. All tokens are trained, so that the head runs at every place.
"""

import argparse
import multiprocessing
import os
import platform
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import product

_SHAPES = {
    "0.5B": {
        "vocab_size": 151_936,
        "hidden_size": 896,
        "num_hidden_layers": 24,
        "num_attention_heads": 14,
        "num_key_value_heads": 2,
        "intermediate_size": 4864,
    },
    "1.5B": {
        "vocab_size": 151_936,
        "hidden_size": 1536,
        "num_hidden_layers": 28,
        "num_attention_heads": 12,
        "num_key_value_heads": 2,
        "intermediate_size": 8960,
    },
    "tiny": {
        "vocab_size": 512,
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "intermediate_size": 128,
    },
}
_WARM_UP = 3
_ROWS_PER_STEP = 4
_LR = 1e-5


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
    parser.add_argument("--steps", type=int, default=8, help=f"measured, after {_WARM_UP} to warm up")
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
    print(f"{_machine()}: bf16, ZeRO-2, one rank, {_ROWS_PER_STEP} rows a step")
    print("model  row tokens  checkpointing  parameters  tokens/s     MFU  matrix TFLOP/s  peak GiB")
    for case in cases:
        print(_line(case, arguments.steps), flush=True)


def _both(row_tokens: tuple[int, ...]) -> product:
    return product(row_tokens, (False, True))


def _line(case: Case, steps: int) -> str:
    start = f"{case.model:5}  {case.row_tokens:10,}  {'on' if case.checkpointing else 'off':13}"
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        figures = process.submit(_measure, case, steps).result()
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


def _measure(case: Case, steps: int) -> Figures | None:
    """Train some steps on ready rows; None where memory runs out."""
    import torch

    from schemas.settings import EngineeringSettings, OptimiserSettings
    from tests.bench.training_packing import made_up_sequences
    from trainers.batches import batch_of, n_trained, packed
    from trainers.deepspeed_engine import TrainingEngine
    from trainers.launch import environment_of, free_port
    from trainers.losses import cross_entropy

    os.environ.update(environment_of(rank=0, ranks=1, port=free_port()))
    matrix_flops = _matrix_flops()
    sequences = made_up_sequences(case.shortest, case.longest, _ROWS_PER_STEP * case.row_tokens)
    trained = n_trained(sequences)
    engineering = EngineeringSettings(dtype="bf16", zero_stage=2, activation_checkpointing=case.checkpointing)
    try:
        with tempfile.TemporaryDirectory() as folder:
            parameters = _write_model(case.model, folder)
            engine = TrainingEngine(folder, OptimiserSettings(lr=_LR), engineering)
        batches = [batch_of(row, engine.device) for row in packed(sequences, case.row_tokens, len)]
        for step in range(_WARM_UP + steps):
            if step == _WARM_UP:
                _finish()
                began = time.perf_counter()
            for batch in batches:
                engine.backward(cross_entropy(engine.score(*batch).logprobs_N, trained))
            engine.step(_LR)
        _finish()
    except torch.OutOfMemoryError:
        return None
    seconds = (time.perf_counter() - began) / steps
    lengths = [len(sequence) for sequence in sequences]
    return Figures(
        parameters=parameters,
        tokens_per_second=sum(lengths) / seconds,
        mfu=_flops(case.model, parameters, lengths) / seconds / matrix_flops,
        matrix_tflops=matrix_flops / 1e12,
        peak_gib=_peak_bytes() / 2**30,
    )


def _write_model(name: str, folder: str) -> int:
    """Random weights in bf16; gives back how many."""
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    from trainers.weights import save_model

    torch.manual_seed(1)
    config = Qwen2Config(**_SHAPES[name], max_position_embeddings=32_768, tie_word_embeddings=True)
    model = Qwen2ForCausalLM(config).to(torch.bfloat16)
    save_model(model, folder)
    return sum(weight.numel() for weight in model.parameters())


def _flops(name: str, parameters: int, lengths: list[int]) -> float:
    """Of one step, forward and backward: see the module's docstring."""
    shape = _SHAPES[name]
    squares = sum(length**2 for length in lengths)
    return 6 * parameters * sum(lengths) + 6 * shape["num_hidden_layers"] * shape["hidden_size"] * squares


def _matrix_flops() -> float:
    """Flops a second of a large bf16 matrix product, the best of several."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    size = 8192 if device == "cuda" else 512
    left, right = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
    best = float("inf")
    for _ in range(20):
        _finish()
        began = time.perf_counter()
        left @ right
        _finish()
        best = min(best, time.perf_counter() - began)
    return 2 * size**3 / best


def _finish() -> None:
    """Wait until the device has done what it was told."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _peak_bytes() -> int:
    """Of tensors on the GPU; without one, of the whole process."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()
