"""Sends new weights to all workers of a pool by one broadcast from this process, the trainer's rank 0.

A collective operation has no partial success: if one member dies, the other members wait until their group is closed.
So after any failure the group is closed on this side, and the next `send` forms a new one.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import ray
from ray.actor import ActorHandle

from schemas.errors import RunFailed
from schemas.runtime import EngineRuntime, PlacementRuntime
from tasks.rollouts.actors import ActorLost, answer
from tasks.rollouts.worker import EngineEnded

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.weights.broadcast import Group


class BroadcastFailed(Exception):
    """Some workers lack the weights, and engines may have ended because of it. The message is the reason."""

    def __init__(self, reason: BaseException, *, for_a_death: bool) -> None:
        super().__init__(" ".join(str(reason).split())[:300])
        self.for_a_death = for_a_death
        """Whether an actor died. The engines that ended as a consequence are then not counted as deaths."""


class Broadcaster:
    """Sends weights. Its group is kept as long as the pool's workers stay the same."""

    def __init__(self, engine: EngineRuntime, placement: PlacementRuntime) -> None:
        self._processes = engine.tensor_parallel
        self._between_gpus = placement.gpus_per_rank >= 1 and placement.gpus_per_engine >= 1
        self._workers: list[ActorHandle[Any]] = []
        self._group: Group | None = None
        self._has_met = False

    async def send(self, workers: Sequence[ActorHandle[Any]], weights: "Mapping[str, Tensor]", version: int) -> None:
        """Send the weights to all workers.

        Raises:
            BroadcastFailed: some workers do not have them.
            RunFailed: trainer and engines have never formed a group, although all of them are alive.
        """
        from tasks.weights.packs import specs_of

        if self._group is None or self._workers != list(workers):
            await self._meet(workers)
        specs = specs_of(weights)
        receiving = [answer(worker.receive.remote(specs, version)) for worker in workers]
        # All sides run at once, since a collective blocks until every member takes part: the sender in a thread, so
        # that the event loop still sees the workers' replies. With `return_exceptions` no side is abandoned while the
        # group is in use.
        ends = await asyncio.gather(asyncio.to_thread(self._send, weights), *receiving, return_exceptions=True)
        if (reason := _first(ends)) is not None:
            self.close()
            # A death is the cause, and errors of the other members are its consequences: report the death.
            died = _first([end for end in ends if isinstance(end, ActorLost)])
            raise BroadcastFailed(died or reason, for_a_death=died is not None)

    def close(self) -> None:
        """Leave the group, if one was formed."""
        if self._group is not None:
            self._group.close()
        self._group = None

    async def _meet(self, workers: Sequence[ActorHandle[Any]]) -> None:
        from tasks.weights.broadcast import Host

        self.close()  # before a new one: the engines leave their former group when they join
        members = 1 + len(workers) * self._processes
        host = Host(ray.util.get_node_ip_address(), members, between_gpus=self._between_gpus)
        joining = [
            answer(worker.meet.remote(host.meeting, 1 + number * self._processes))
            for number, worker in enumerate(workers)
        ]
        hosting = asyncio.create_task(asyncio.to_thread(host.meet))
        ends = await asyncio.gather(*joining, hosting, return_exceptions=True)
        if (lost := _first([end for end in ends if isinstance(end, ActorLost | EngineEnded)])) is not None:
            raise BroadcastFailed(lost, for_a_death=isinstance(lost, ActorLost))
        if (reason := _first(ends)) is None:
            self._group, self._workers, self._has_met = hosting.result(), list(workers), True
        elif self._has_met:  # the network worked before: a passing fault, for which the folder serves
            raise BroadcastFailed(reason, for_a_death=False)
        else:  # the network never worked: an error of the setup, reported and not hidden behind the folder
            raise RunFailed(
                "runtime.placement.weights is broadcast, but trainer and engines do not reach each other "
                f"({' '.join(str(reason).split())[:300]}); open the ports between their machines, or set folder"
            )

    def _send(self, weights: "Mapping[str, Tensor]") -> None:
        assert self._group is not None, "`_meet` has formed the group"
        try:
            self._group.send(weights)
        except RuntimeError:
            self.close()  # in this thread, at once: the engines wait for tensors until the group is closed
            raise


def _first(ends: Sequence[object]) -> BaseException | None:
    """The first error among results and errors; None if there is none."""
    return next((end for end in ends if isinstance(end, BaseException)), None)
