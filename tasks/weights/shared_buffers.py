"""Buffers that two processes of one machine share: on a GPU by CUDA's IPC, on CPUs by shared memory.

The process that created a buffer writes, the other one reads. The buffers do no synchronisation: callers agree on turns
by other means (a call to the reader, and its reply). When a process ends in any way, the system frees its buffers.
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
    """The address of a buffer in main memory for other processes of this machine: an anonymous file (memfd), found by
    the process that has it open, and its file descriptor there. ``size`` is in bytes."""

    process: int
    descriptor: int
    size: int


@dataclass(frozen=True, slots=True)
class OfGpu:
    """The address of a GPU's buffer for other processes: the arguments with which torch rebuilds the tensor there."""

    rebuilt_by: tuple[Any, ...]


Handle = OfMemory | OfGpu

_DEVICE = 6
"""The index of the GPU's number in `OfGpu.rebuilt_by`. The same GPU may have different numbers in two processes."""


@contextmanager
def shared_buffer(size: int, device: torch.device) -> Iterator[tuple[Tensor, Handle]]:
    """Create a buffer of ``size`` bytes (uint8) on a device; also yields the handle that `opened` takes in another
    process. The buffer is freed at the end."""
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
    """The bytes of another process's buffer (uint8); a GPU's buffer appears on ``device``.

    Raises:
        OSError, RuntimeError: the process or the buffer does not exist any more, or is on another machine.
    """
    if isinstance(handle, OfGpu):
        from torch.multiprocessing.reductions import rebuild_cuda_tensor

        rebuilt_by = list(handle.rebuilt_by)
        rebuilt_by[_DEVICE] = device.index
        tensor: Tensor = rebuild_cuda_tensor(*rebuilt_by)
        return tensor
    descriptor = os.open(f"/proc/{handle.process}/fd/{handle.descriptor}", os.O_RDWR)
    try:
        return _mapped(descriptor, handle.size)
    finally:
        os.close(descriptor)  # the mapping keeps the memory


class Reader:
    """Reads packs from another process's buffers. Each buffer is opened once, because torch counts the references to a
    GPU's buffer, and would free it after the first of several readers."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._open: tuple[Handle, Tensor] | None = None

    def read(self, handle: Handle, pack: Sequence[Spec]) -> Iterator[tuple[str, Tensor]]:
        """A copy of the buffer's present content. The writer may reuse the buffer as soon as this returns.

        Raises:
            OSError, RuntimeError: as `opened`.
        """
        if self._open is None or self._open[0] != handle:
            self.close()
            self._open = handle, opened(handle, self._device)
        copy = self._open[1][: room_of(pack)].clone()
        synchronise(self._device)  # the copy is asynchronous on a GPU: it must be done before the writer goes on
        return unpacked(copy, pack)

    def close(self) -> None:
        """Release the buffer."""
        self._open = None


def synchronise(device: torch.device) -> None:
    """Wait for all queued work of a GPU: its stream orders the work of one process only, not that of others."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _mapped(descriptor: int, size: int) -> Tensor:
    return torch.frombuffer(mmap.mmap(descriptor, size), dtype=torch.uint8)
