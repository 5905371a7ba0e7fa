"""Bytes that two processes of one machine see at once: on a GPU by CUDA's IPC, on CPUs by shared memory.

Whoever made a buffer writes, the other one reads, and they tell each other when by other means. What a process held is
free when it ends, however it ends.
"""

import mmap
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from tasks.weights.packs import Spec, room_of, unpacked


@dataclass(frozen=True, slots=True)
class OfMemory:
    """How another process of this machine finds a buffer in main memory: a file without a name, by who has it open."""

    process: int
    descriptor: int
    size: int


@dataclass(frozen=True, slots=True)
class OfGpu:
    """How another process finds a buffer of a GPU: what torch makes of it to rebuild it elsewhere."""

    rebuilt_by: tuple[Any, ...]


Handle = OfMemory | OfGpu

_DEVICE = 6
"""Where among `OfGpu.rebuilt_by` the GPU's number stands, which is another one where another process sees it."""


@contextmanager
def shared_buffer(size: int, device: torch.device) -> Iterator[tuple[Tensor, Handle]]:
    """So many bytes (uint8) on a device, and what `opened` takes in another process; they are gone in the end."""
    if device.type == "cuda":
        from torch.multiprocessing.reductions import reduce_tensor

        place = torch.empty(size, dtype=torch.uint8, device=device)
        yield place, OfGpu(reduce_tensor(place)[1])
        return
    descriptor = os.memfd_create("masksearch-weights")
    try:
        os.truncate(descriptor, size)
        yield _mapped(descriptor, size), OfMemory(os.getpid(), descriptor, size)
    finally:
        os.close(descriptor)


def opened(handle: Handle, device: torch.device) -> Tensor:
    """The bytes of another process's buffer, on ``device`` if they are a GPU's.

    Raises:
        OSError, RuntimeError: that process, or its buffer, is there no more, or on another machine.
    """
    if isinstance(handle, OfGpu):
        from torch.multiprocessing.reductions import rebuild_cuda_tensor

        rebuilt_by = list(handle.rebuilt_by)
        rebuilt_by[_DEVICE] = device.index
        return rebuild_cuda_tensor(*rebuilt_by)
    descriptor = os.open(f"/proc/{handle.process}/fd/{handle.descriptor}", os.O_RDWR)
    try:
        return _mapped(descriptor, handle.size)
    finally:
        os.close(descriptor)  # the mapping stays


class Reader:
    """Reads packs from another process's buffers, each opened once: of a GPU's torch counts how often it is let go."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._open: tuple[Handle, Tensor] | None = None

    def read(self, handle: Handle, pack: Sequence[Spec]) -> Iterator[tuple[str, Tensor]]:
        """A copy of what is in the buffer now, so that others may be written there once this returns.

        Raises:
            OSError, RuntimeError: as `opened`.
        """
        if self._open is None or self._open[0] != handle:
            self.close()
            self._open = handle, opened(handle, self._device)
        came = self._open[1][: room_of(pack)].clone()
        synchronise(self._device)
        return unpacked(came, pack)

    def close(self) -> None:
        """Let the buffer go."""
        self._open = None


def synchronise(device: torch.device) -> None:
    """Wait until what was asked of a GPU is done: another process does not see what is still under way."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _mapped(descriptor: int, size: int) -> Tensor:
    return torch.frombuffer(mmap.mmap(descriptor, size), dtype=torch.uint8)
