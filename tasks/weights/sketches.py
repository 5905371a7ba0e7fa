"""What each layer of a model makes of a fixed input: by it two copies of a model are compared, layer by layer.

The sketch of a matrix is its product with one vector, with the bias added. It can be had of weights that an engine
keeps in a form of its own: packed for the processor, several matrices in one, a share of a matrix on each device.
"""

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Sketches = dict[str, NDArray[np.float32]]
"""By the name that the layer has in its Hugging Face model."""

_IDS = 64


def input_of(width: int, like: Tensor) -> Tensor:
    """The vector that a layer of this width is given, in the precision and on the device of a tensor; one row."""
    values = torch.sin(torch.arange(1, width + 1, dtype=torch.float64) ** 2)
    return values.to(like.device, like.dtype)[None]


def ids_of(vocabulary: int, like: Tensor) -> Tensor:
    """The token ids that an embedding is given, spread over the vocabulary."""
    return torch.linspace(0, vocabulary - 1, min(_IDS, vocabulary), device=like.device).long()


@torch.no_grad()
def sketches_of(
    model: nn.Module, gathered: Callable[[list[nn.Parameter]], AbstractContextManager[None]] = lambda weights: nullcontext()
) -> Sketches:
    """Of a Hugging Face model; inside ``gathered`` the weights of one layer are whole."""
    found = {}
    for name, layer in model.named_modules():
        weights = list(layer.parameters(recurse=False))
        if weights:
            with gathered(weights):
                found[name] = told(_sketch(layer))
    return found


def told(values: Tensor) -> NDArray[np.float32]:
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
    """The layer whose sketches are the furthest apart, and their distance over the length of ours.

    ``theirs`` come from the processes of one engine, in order: each has the whole of a layer's output, or its share.
    A layer of which they hold shares that overlap is not compared.
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
