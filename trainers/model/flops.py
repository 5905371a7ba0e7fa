"""The flops of a model and the flops rate of a device: the two sides of model flops utilisation (MFU).

    flops = 6 N tokens + 6 L D Σ n²

is the sum of forward and backward, after PaLM (arXiv 2204.02311, appendix B): N are the parameters that a token is
multiplied with; L layers of D = heads times head size; n is the length of each sequence. PaLM's 12 is halved, because
causal attention computes half of the scores. Recomputation by activation checkpointing does not count. It assumes that
all tokens are trained, so that the head runs at every position.
"""

import time
from collections.abc import Iterable

import torch

from schemas.settings import ModelSettings
from schemas.sizes import working_parameters_of

_TIMES = 20


def training_flops(model: ModelSettings, lengths: Iterable[int]) -> float:
    """Flops of training on sequences of these lengths."""
    lengths = list(lengths)
    linear = 6 * working_parameters_of(model) * sum(lengths)
    return linear + 6 * model.layers * model.hidden * sum(length**2 for length in lengths)


def matrix_flops_per_second(device: torch.device, dtype: torch.dtype) -> float:
    """Flops per second of a large matrix product on the device, the best of several tries."""
    size = 8192 if device.type == "cuda" else 512
    left, right = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    best = float("inf")
    for _ in range(_TIMES):
        finish(device)
        began = time.perf_counter()
        left @ right
        finish(device)
        best = min(best, time.perf_counter() - began)
    return 2 * size**3 / best


def finish(device: torch.device) -> None:
    """Wait until the device has finished all queued work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
