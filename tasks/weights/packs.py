"""Weights in packs: some hundred megabytes of consecutive tensors, in an order that sender and receiver share."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import torch
from torch import Tensor

PACK_BYTES = 256 * 2**20
_ALIGNED = 16
"""Every tensor of a pack begins at a multiple of this number of bytes, because views of wider types need alignment."""


@dataclass(frozen=True, slots=True)
class Spec:
    """The properties of a tensor that the receiver must know before it arrives."""

    name: str
    dtype: torch.dtype
    shape: tuple[int, ...]

    @property
    def bytes(self) -> int:
        return torch.Size(self.shape).numel() * self.dtype.itemsize

    @property
    def room(self) -> int:
        """Bytes that the tensor takes in a pack, padding included."""
        return -(-self.bytes // _ALIGNED) * _ALIGNED


def specs_of(weights: Mapping[str, Tensor]) -> list[Spec]:
    return [Spec(name, weight.dtype, tuple(weight.shape)) for name, weight in weights.items()]


def packs(specs: Iterable[Spec], pack_bytes: int = PACK_BYTES) -> Iterator[list[Spec]]:
    """The specs in groups that are sent together, in order: as many as fit, at least one."""
    pack: list[Spec] = []
    room = 0
    for spec in specs:
        if pack and room + spec.room > pack_bytes:
            yield pack
            pack, room = [], 0
        pack.append(spec)
        room += spec.room
    if pack:
        yield pack


def room_of(pack: Iterable[Spec]) -> int:
    """Bytes of a pack."""
    return sum(spec.room for spec in pack)


def fill(place: Tensor, weights: Mapping[str, Tensor]) -> None:
    """Write the weights of a pack into ``place``: at least `room_of` their specs bytes (uint8), on any device."""
    for weight, (start, _) in zip(weights.values(), _places(specs_of(weights)), strict=True):
        flat = weight.detach().contiguous().flatten().view(torch.uint8)
        place[start : start + len(flat)] = flat


def unpacked(place: Tensor, pack: Sequence[Spec]) -> Iterator[tuple[str, Tensor]]:
    """The weights that `fill` wrote, as views of ``place`` (no copies)."""
    for spec, (start, _) in zip(pack, _places(pack), strict=True):
        yield spec.name, place[start : start + spec.bytes].view(spec.dtype).view(spec.shape)


def _places(pack: Sequence[Spec]) -> Iterator[tuple[int, int]]:
    return pairwise(accumulate((spec.room for spec in pack), initial=0))
