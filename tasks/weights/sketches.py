"""The output of each layer of a model for a fixed input. Two copies of a model are compared by these, layer by layer.

The sketch of a matrix is its product with one vector, plus the bias. It can be computed even where an engine stores
weights in its own format: packed for the CPU, several matrices in one, or a share of a matrix on each device.
"""

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Sketches = dict[str, NDArray[np.float32]]
"""Sketches by the name of the layer in its Hugging Face model."""

_IDS = 64
"""The number of token ids in the input of an embedding."""


def input_of(width: int, like: Tensor) -> Tensor:
    """The input of a layer, (1, width), with the precision and the device of ``like``."""
    values = torch.sin(torch.arange(1, width + 1, dtype=torch.float64) ** 2)
    return values.to(like.device, like.dtype)[None]


def ids_of(vocabulary: int, like: Tensor) -> Tensor:
    """The input of an embedding: token ids spread evenly over the vocabulary."""
    return torch.linspace(0, vocabulary - 1, min(_IDS, vocabulary), device=like.device).long()


@torch.no_grad()
def sketches_of(
    model: nn.Module,
    gathered: Callable[[list[nn.Parameter]], AbstractContextManager[object]] = lambda weights: nullcontext(),
) -> Sketches:
    """The sketches of a Hugging Face model. Within ``gathered`` a layer's weights are complete (ZeRO divides them)."""
    sketches = {}
    for name, layer in model.named_modules():
        weights = list(layer.parameters(recurse=False))
        if weights:
            with gathered(weights):
                sketches[name] = flat(_sketch(layer))
    return sketches


def flat(values: Tensor) -> NDArray[np.float32]:
    """The values of a tensor as one row of fp32 in main memory."""
    return values.detach().float().flatten().cpu().numpy()


def _sketch(layer: nn.Module) -> Tensor:
    weight = layer.weight
    assert isinstance(weight, Tensor)
    if isinstance(layer, nn.Linear):
        return nn.functional.linear(input_of(layer.in_features, weight), weight, layer.bias)
    if isinstance(layer, nn.Embedding):
        return nn.functional.embedding(ids_of(layer.num_embeddings, weight), weight)
    return weight


def most_different(ours: Sketches, theirs: Sequence[Sketches]) -> tuple[str, float]:
    """The layer whose sketches differ most, and the norm of their difference divided by the norm of ours.

    ``theirs`` are from the processes of one engine, in order. Each has a layer's complete output, or its share of it.
    A layer whose shares overlap is not compared.
    """
    distances = {}
    for name, mine in ours.items():
        shares = [sketches[name] for sketches in theirs if name in sketches]
        whole = shares[0] if shares and len(shares[0]) == len(mine) else np.concatenate([mine[:0], *shares])
        if len(whole) == len(mine):
            distance = float(np.linalg.norm(mine - whole) / (np.linalg.norm(mine) or 1.0))
            distances[name] = distance if math.isfinite(distance) else math.inf
    name = max(distances, key=distances.__getitem__)
    return name, distances[name]
