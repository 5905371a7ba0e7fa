"""What one process writes into a shared buffer the other one reads; nothing of it outlives them."""

import multiprocessing
import os
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection

import numpy as np
import pytest
import torch

from tasks.weights.shared_buffers import Handle, OfMemory, opened, shared_buffer

CPU = torch.device("cpu")
SIZE = 3 * 2**20 + 1
_FORK = multiprocessing.get_context("fork")


def _elsewhere(run: Callable[[Connection], None]) -> tuple[Connection, int]:
    """A connection to a process that runs this."""
    here, there = _FORK.Pipe()
    process = _FORK.Process(target=run, args=(there,), daemon=True)
    process.start()
    there.close()
    assert process.pid is not None
    return here, process.pid


def _sums(pipe: Connection) -> None:
    """Tells the sum of a buffer whenever it is asked."""
    place = opened(pipe.recv(), CPU)
    while pipe.recv():
        pipe.send(int(place.numpy().sum(dtype=np.int64)))  # torch may not use its threads in a process that was forked


def test_what_is_written_is_seen_by_the_other_process_time_after_time():
    reader, _ = _elsewhere(_sums)
    with shared_buffer(SIZE, CPU) as (place, handle):
        reader.send(handle)
        for value in (1, 7):
            place.fill_(value)
            reader.send(True)
            assert reader.recv() == value * SIZE


def _makes(pipe: Connection) -> None:
    with shared_buffer(SIZE, CPU) as (_, handle):
        pipe.send(handle)
        pipe.recv()


def test_a_buffer_of_a_process_that_was_killed_is_gone():
    writer, process = _elsewhere(_makes)
    handle: Handle = writer.recv()
    opened(handle, CPU)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    with pytest.raises(OSError):
        opened(handle, CPU)


def test_a_buffer_is_gone_in_the_end():
    with shared_buffer(SIZE, CPU) as (_, handle):
        assert isinstance(handle, OfMemory)
    with pytest.raises(OSError):
        opened(handle, CPU)
