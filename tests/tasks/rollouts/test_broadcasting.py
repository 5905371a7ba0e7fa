"""Broadcasts to workers that do not come, die, or come: what is the settings' fault, and what a folder makes up for."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any

import pytest
import torch

from schemas.errors import RunFailed
from schemas.runtime import EngineRuntime, PlacementRuntime
from tasks.rollouts.actors import ActorLost
from tasks.rollouts.broadcasting import Broadcaster, BroadcastFailed
from tasks.weights import broadcast
from tasks.weights.broadcast import Group, Meeting
from tasks.weights.packs import Spec

WEIGHTS = {"embedding": torch.randn(30, 7)}


class _Method:
    def __init__(self, run: Callable[..., Coroutine[Any, Any, None]]) -> None:
        self.remote = run


class Worker:
    """Stands for the handle of an actor. It meets the sender, or does not come, or is lost; then it receives."""

    def __init__(self, ways: list[str]) -> None:
        self.ways, self.came = ways, dict[str, torch.Tensor]()
        self.meet, self.receive = _Method(self._meet), _Method(self._receive)
        self._group: Group | None = None

    async def _meet(self, meeting: Meeting, first: int) -> None:
        match self.ways.pop(0):
            case "comes":
                self._group = await asyncio.to_thread(broadcast.meet, meeting, first)
            case "is lost":
                raise ActorLost("its machine is gone")
            case "cannot":
                raise RunFailed("no route to the host")

    async def _receive(self, specs: list[Spec], version: int) -> None:
        assert self._group is not None
        self.came = await asyncio.to_thread(lambda: dict(self._group.receive(specs)))


def _send(*turns: list[Worker]) -> None:
    async def send() -> None:
        placement = PlacementRuntime(layout="distributed", weights="broadcast")
        broadcaster = Broadcaster(EngineRuntime(), placement)
        for version, workers in enumerate(turns):
            await broadcaster.send(workers, WEIGHTS, version)

    asyncio.run(send())


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broadcast, "TIMEOUT", timedelta(seconds=2))


def test_a_group_stays_together_until_a_worker_is_another_one():
    first, second, third = Worker(["comes"] * 2), Worker(["comes"]), Worker(["comes"])
    _send([first, second], [first, second], [first, third])
    assert [worker.ways for worker in (first, second, third)] == [[], [], []]
    for worker in (first, second, third):
        assert torch.equal(worker.came["embedding"], WEIGHTS["embedding"])


def test_workers_that_live_and_never_met_the_trainer_are_a_matter_of_settings():
    with pytest.raises(RunFailed, match=r"do not reach each other \(no route to the host\); .* or set folder"):
        _send([Worker(["cannot"]), Worker(["comes"])])


def test_a_worker_that_is_lost_before_they_meet_is_none():
    with pytest.raises(BroadcastFailed, match="its machine is gone"):
        _send([Worker(["comes"]), Worker(["is lost"])])


def test_once_they_have_met_a_failure_is_one_of_the_moment():
    one = Worker(["comes", "cannot"])
    with pytest.raises(BroadcastFailed, match="no route to the host"):
        _send([one], [one, Worker(["comes"])])
