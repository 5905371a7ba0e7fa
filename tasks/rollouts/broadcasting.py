"""New weights for all workers of a pool by one broadcast from this process, the trainer's first rank."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

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
    """Not all have the weights, and engines may have ended over it; why, in one line."""

    def __init__(self, reason: BaseException, *, for_a_death: bool) -> None:
        super().__init__(" ".join(str(reason).split())[:300])
        self.for_a_death = for_a_death
        """Whether an actor died: the other engines, which ended over it, are not to blame."""


class Broadcaster:
    """Sends weights. Its group stays together for as long as the pool's workers stay the same."""

    def __init__(self, engine: EngineRuntime, placement: PlacementRuntime) -> None:
        self._processes = engine.tensor_parallel
        self._between_gpus = placement.gpus_per_rank >= 1 and placement.gpus_per_engine >= 1
        self._workers: list[ActorHandle] = []
        self._group: Group | None = None
        self._has_met = False

    async def send(self, workers: Sequence[ActorHandle], weights: "Mapping[str, Tensor]", version: int) -> None:
        """Give all workers the weights.

        Raises:
            BroadcastFailed: not all have them.
            RunFailed: trainer and engines have never met, though all of them live.
        """
        from tasks.weights.packs import specs_of

        if self._group is None or self._workers != list(workers):
            await self._meet(workers)
        specs = specs_of(weights)
        receiving = [answer(worker.receive.remote(specs, version)) for worker in workers]
        ends = await asyncio.gather(asyncio.to_thread(self._send, weights), *receiving, return_exceptions=True)
        if (reason := _first(ends)) is not None:
            self.close()
            died = _first([end for end in ends if isinstance(end, ActorLost)])
            raise BroadcastFailed(died or reason, for_a_death=died is not None)

    def close(self) -> None:
        """Leave the group, if there is one."""
        if self._group is not None:
            self._group.close()
        self._group = None

    async def _meet(self, workers: Sequence[ActorHandle]) -> None:
        from tasks.weights.broadcast import Host

        self.close()
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
        elif self._has_met:
            raise BroadcastFailed(reason, for_a_death=False)
        else:
            raise RunFailed(
                "runtime.placement.weights is broadcast, but trainer and engines do not reach each other "
                f"({' '.join(str(reason).split())[:300]}); open the ports between their machines, or set folder"
            )

    def _send(self, weights: "Mapping[str, Tensor]") -> None:
        assert self._group is not None, "they have met"
        try:
            self._group.send(weights)
        except RuntimeError:
            self.close()  # at once: others may be waiting for what will not come
            raise


def _first(ends: Sequence[object]) -> BaseException | None:
    """The first end that is an error."""
    return next((end for end in ends if isinstance(end, BaseException)), None)
