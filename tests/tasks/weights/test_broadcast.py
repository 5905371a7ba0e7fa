"""Weights from one process to others: what comes is what was sent, and nobody waits for one who died."""

import multiprocessing
import os
import signal
from collections.abc import Iterator
from multiprocessing.connection import Connection

import pytest
import torch

from tasks.weights import broadcast
from tasks.weights.broadcast import Group, Host, Meeting
from tasks.weights.packs import specs_of

WEIGHTS = {
    "embedding": torch.randn(300, 11).bfloat16(),
    "odd": torch.arange(7, dtype=torch.float32),
    "turned": torch.randn(20, 30).T,
    "step": torch.tensor(3.0),
    "larger than a pack": torch.randn(60, 60),
}
PACK_BYTES = 4096
_FORK = multiprocessing.get_context("fork")


def _receive(meeting: Meeting, member: int, dies: bool, to: Connection) -> None:
    """A process that receives twice; one that dies does so with the first tensor of the second time."""
    group = broadcast.meet(meeting, member)
    try:
        for time in range(2):
            came = {}
            for name, weight in group.receive(specs_of(WEIGHTS), PACK_BYTES):
                if dies and time == 1:
                    os.kill(os.getpid(), signal.SIGKILL)
                came[name] = weight
            to.send(all(torch.equal(came[name], weight * (time + 1)) for name, weight in WEIGHTS.items()))
    except RuntimeError:
        to.send("error")


def _started(host: Host, dying: int | None = None) -> tuple[Group, list[Connection]]:
    ends = []
    for member in range(1, host.meeting.members):
        here, there = _FORK.Pipe(duplex=False)
        _FORK.Process(target=_receive, args=(host.meeting, member, member == dying, there), daemon=True).start()
        there.close()
        ends.append(here)
    return host.meet(), ends


@pytest.fixture
def host() -> Iterator[Host]:
    yield Host("127.0.0.1", 3, between_gpus=False)


def test_what_comes_is_what_was_sent_time_after_time(host: Host):
    group, ends = _started(host)
    group.send(WEIGHTS, PACK_BYTES)
    group.send({name: weight * 2 for name, weight in WEIGHTS.items()}, PACK_BYTES)
    for end in ends:
        assert [end.recv(), end.recv()] == [True, True]


def test_a_member_that_dies_ends_the_broadcast_for_the_sender_and_with_it_for_the_others(host: Host):
    group, (_, alive) = _started(host, dying=1)
    group.send(WEIGHTS, PACK_BYTES)
    assert alive.recv() is True
    with pytest.raises(RuntimeError):
        for _ in range(100):  # what was sent already may lie in the buffers of the network
            group.send({name: weight * 2 for name, weight in WEIGHTS.items()}, PACK_BYTES)
    group.close()
    assert alive.poll(20), "it waits for what will not come"
    assert alive.recv() in ("error", True)


def test_members_who_do_not_come_are_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(broadcast, "TIMEOUT", broadcast.timedelta(seconds=1))
    host = Host("127.0.0.1", 2, between_gpus=False)
    with pytest.raises(RuntimeError):
        host.meet()
