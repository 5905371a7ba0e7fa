"""The pool of rollout workers in a Ray cluster: it assigns rollouts, publishes weights, and replaces dead workers.

A worker that dies, or whose engine does, is replaced by a new one with the weights published last. Its trajectories are
started again; their seeds make them the same.

All state of the pool is used from one event loop. Between two ``await`` no other coroutine runs, so plain attributes
need no lock; ``_changed`` is there for waiting only. A coroutine that waited has to look at the state again: the worker
that it knew may have been replaced, which is why callers compare a seat's worker with the one that they called.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any

import ray
from ray.actor import ActorHandle

from schemas.errors import MaskSearchError, RunFailed
from schemas.records import Trajectory
from schemas.runtime import PlacementRuntime
from tasks.agent.environment import TurnSampling
from tasks.capacity.devices import machines_of_cluster
from tasks.capacity.ray_cluster import join_for
from tasks.requests.rollout_requests import Rollout
from tasks.rollouts import searchers, worker_actor
from tasks.rollouts.actors import START_SECONDS, ActorLost, answer
from tasks.rollouts.admission import refuse_engines_without_room
from tasks.rollouts.broadcasting import Broadcaster, BroadcastFailed
from tasks.rollouts.spots import Spot, spots_of_engines
from tasks.rollouts.worker import LIVE, EngineEnded, RolloutSetup, Usage, capacity
from tasks.weights.new_weights import NewWeights, SharedPack

if TYPE_CHECKING:
    from tasks.weights.sketches import Sketches

ANSWER_SECONDS = 3600.0
"""The time limit of a call to a worker; the longest call is a whole trajectory with a large model. A worker that takes
longer hangs (in a driver, or in a collective among its own processes) and is treated as dead."""

RESTARTS_SECONDS = 3600.0
"""The period in which a worker is replaced at most `placement.restarts` times. A training of weeks loses more machines
than that in total; a worker that dies this often within an hour has a cause that kills its replacement, too."""

_CLOSE_SECONDS = 30.0

_log = logging.getLogger(__name__)


class _Seat:
    """A position in the pool, with one worker at a time, in ``spots`` or anywhere in the cluster.

    ``worker`` is None while a new one starts. ``open`` counts the trajectories that run here.
    """

    def __init__(self, spots: Sequence[Spot]) -> None:
        self.spots = spots
        self.worker: ActorHandle[Any] | None = None
        self.open = 0
        self.deaths: list[float] = []
        """The times at which workers died here (`time.monotonic`)."""

    def deaths_of_late(self) -> int:
        since = time.monotonic() - RESTARTS_SECONDS
        return sum(death > since for death in self.deaths)


class WorkerPool:
    """See `tasks.rollouts.pool.RolloutPool`."""

    def __init__(
        self,
        setup: RolloutSetup,
        placement: PlacementRuntime,
        index_actors: list[ActorHandle[Any]],
        places: Sequence[Sequence[Spot]],
    ) -> None:
        self._setup, self._placement, self._searchers = setup, placement, index_actors
        self._seats = [_Seat(spots) for spots in places]
        self._room = capacity(setup.engine)
        self._weights: NewWeights | None = None
        self._broadcaster = Broadcaster(setup.engine, placement) if placement.weights == "broadcast" else None
        self._excused: list[ActorHandle[Any]] = []
        """Workers whose engines end because another member of a broadcast died. Their ends do not count as deaths."""
        self._publishing = False
        """While True no trajectory begins, so that none begins on an engine without the new weights."""
        self._failure: Exception | None = None
        """Once set, the pool has failed for good: all callers that wait for a worker raise it."""
        self._changed = asyncio.Condition()
        """Notified when a seat has room or a worker, when publishing ends, and when the pool has failed."""
        self._starting: set[asyncio.Task[None]] = set()
        """Strong references to tasks. The event loop keeps weak ones only: a task might be collected while it runs."""

    @classmethod
    async def start(cls, setup: RolloutSetup, placement: PlacementRuntime, spots: Sequence[Spot] = ()) -> "WorkerPool":
        """See `tasks.rollouts.pool.start_pool`."""
        if spots:  # engines use the resources reserved for the ranks: only the searchers need some of their own
            join_for([searchers.need_of(placement)])
            places: Sequence[Sequence[Spot]] = spots_of_engines(spots, setup.engine.tensor_parallel)
        else:
            join_for([worker_actor.need_of(setup.engine, placement), searchers.need_of(placement)])
            places = [()] * placement.engines
        refuse_engines_without_room(setup, placement, machines_of_cluster())
        pool = cls(setup, placement, await searchers.start_searchers(setup.index, placement), places)
        try:
            await asyncio.gather(*(pool._fill(seat) for seat in pool._seats))
            await pool.versions()  # raises the failure of a seat: `_fill` only records it
        except BaseException:  # also a cancellation: actors outlive the caller unless they are killed
            await pool.close()
            raise
        return pool

    @property
    def replaced(self) -> int:
        return sum(len(seat.deaths) for seat in self._seats)

    async def roll(
        self, rollout: Rollout, sampling: TurnSampling, *, label: str, model: str, retrieval: str = LIVE
    ) -> Trajectory:
        while True:
            seat, worker = await self._seat_with_room()
            try:
                rolling: Awaitable[Any] = worker.roll.remote(
                    rollout, sampling, label=label, model=model, retrieval=retrieval
                )
                trajectory: Trajectory = await answer(rolling, ANSWER_SECONDS)
                return trajectory
            except (ActorLost, EngineEnded) as reason:
                self._lose(seat, worker, reason)
            finally:
                seat.open -= 1
                # One free place is of use to one waiting rollout; waking all of thousands each time would be quadratic.
                # If a waiter of `_of_each` gets this wake-up, a rollout may wait on, at most until that waiter's seat
                # is filled: `_fill` wakes all.
                await self._notify(1)

    async def publish(self, weights: NewWeights) -> None:
        # Set first: a worker that is replaced from now on starts with the new weights (see `_published`).
        before, self._weights = self._weights, weights
        self._publishing = True
        try:
            if not await self._took(weights) and not await self._broadcast(weights):
                folder = await asyncio.to_thread(weights.folder)
                await self._of_each(lambda worker: worker.load.remote(folder, weights.version))
            running = await self.versions()
        except MaskSearchError:
            self._weights = before
            raise
        finally:
            self._publishing = False
            await self._notify_all()
        if set(running) != {weights.version}:
            raise RunFailed(
                f"the engines run weights of the versions {sorted(set(running))}, not all {weights.version}"
            )

    async def take(self, pack: SharedPack, version: int) -> None:
        processes = self._setup.engine.tensor_parallel

        async def by(worker: ActorHandle[Any], number: int) -> None:
            try:
                await answer(worker.take.remote(pack.of_engine(number, processes), version), ANSWER_SECONDS)
            except (ActorLost, EngineEnded) as reason:
                # No replacement here: a new worker could not take the packs before this one. `publish` replaces it.
                _log.warning("an engine did not take weights %d and will load them from a folder: %s", version, reason)

        seated = [(seat.worker, number) for number, seat in enumerate(self._seats)]
        await asyncio.gather(*(by(worker, number) for worker, number in seated if worker is not None))

    async def sleep(self) -> None:
        await self._of_each(lambda worker: worker.sleep.remote())

    async def versions(self) -> list[int]:
        return [version for each in await self._of_each(lambda worker: worker.versions.remote()) for version in each]

    async def usage(self) -> list[Usage]:
        return [usage for each in await self._of_each(lambda worker: worker.usage.remote()) for usage in each]

    async def score(self, token_ids: Sequence[int]) -> list[list[float]]:
        return [
            scores for each in await self._of_each(lambda worker: worker.score.remote(token_ids)) for scores in each
        ]

    async def sketches(self) -> "list[list[Sketches]]":
        return [sketches for each in await self._of_each(lambda worker: worker.sketches.remote()) for sketches in each]

    async def close(self) -> None:
        # First the replacements under way: one that became ready after the list below was made would stay alive.
        for task in self._starting:
            task.cancel()
        await asyncio.gather(*self._starting, return_exceptions=True)
        seated = [seat.worker for seat in self._seats if seat.worker is not None]
        closing = [asyncio.wait_for(answer(worker.close.remote()), _CLOSE_SECONDS) for worker in seated]
        await asyncio.gather(*closing, return_exceptions=True)  # a worker that fails to close is killed below
        if self._broadcaster is not None:
            self._broadcaster.close()
        for actor in [*seated, *self._searchers]:
            ray.kill(actor)

    # -- new weights ------------------------------------------------------------------------------------------------

    async def _took(self, weights: NewWeights) -> bool:
        """Whether all workers have the weights: from `take`, or, if they replaced a dead worker, from the folder."""
        return self._placement.weights == "ipc" and set(await self.versions()) == {weights.version}

    async def _broadcast(self, weights: NewWeights) -> bool:
        """Whether all workers have the weights by broadcast. Where not, they can load the folder at any time."""
        # Keep a reference: a replacement that starts meanwhile has the weights written to the folder, which frees them.
        tensors = weights.tensors
        if self._broadcaster is None or tensors is None:
            return False
        # Any call replaces the dead workers; without it the broadcast would meet them, and end all engines with them.
        await self.versions()
        seated = [seat.worker for seat in self._seats if seat.worker is not None]
        if len(seated) < len(self._seats):
            return False
        try:
            await self._broadcaster.send(seated, tensors, weights.version)
        except BroadcastFailed as reason:
            _log.warning("weights %d are loaded from a folder, since the broadcast failed: %s", weights.version, reason)
            self._excused = seated if reason.for_a_death else []
            return False
        return True

    async def _published(self) -> tuple[str, int] | None:
        """Folder and version of the current weights; None while they are those of the setup's model."""
        weights = self._weights
        if weights is None:
            return None
        return await asyncio.to_thread(weights.folder), weights.version

    # -- calls to workers -------------------------------------------------------------------------------------------

    async def _seat_with_room(self) -> tuple[_Seat, ActorHandle[Any]]:
        """The least loaded of the ready workers; its seat already counts the trajectory of the caller."""

        def with_room() -> list[_Seat]:
            return [seat for seat in self._seats if seat.worker is not None and seat.open < self._room]

        async with self._changed:
            await self._changed.wait_for(lambda: self._failure or (not self._publishing and with_room()))
            if self._failure is not None:
                raise self._failure
            seat = min(with_room(), key=lambda seat: seat.open)
            assert seat.worker is not None
            seat.open += 1  # still under the condition: the next waiter that wakes up must see the seat's new load
            return seat, seat.worker

    async def _of_each(self, ask: Callable[[ActorHandle[Any]], Awaitable[Any]]) -> list[Any]:
        """The answer of every worker, in the order of the seats. If a worker dies, its replacement answers."""

        async def of(seat: _Seat) -> Any:
            while True:
                async with self._changed:
                    await self._changed.wait_for(lambda: self._failure or seat.worker is not None)
                if self._failure is not None:
                    raise self._failure
                worker = seat.worker
                assert worker is not None
                try:
                    return await answer(ask(worker), ANSWER_SECONDS)
                except (ActorLost, EngineEnded) as reason:
                    self._lose(seat, worker, reason)

        return await asyncio.gather(*(of(seat) for seat in self._seats))

    async def _notify(self, waiting: int) -> None:
        async with self._changed:
            self._changed.notify(waiting)

    async def _notify_all(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    # -- workers that die -------------------------------------------------------------------------------------------

    def _lose(self, seat: _Seat, worker: ActorHandle[Any], reason: Exception) -> None:
        """Replace the worker of a seat. Each of its trajectories reports the death; the first report counts.

        This is no coroutine, so that the check and the removal of the worker cannot be interrupted by another report.
        """
        if seat.worker is not worker:
            return
        seat.worker = None
        ray.kill(worker)  # it may only hang, or its engine may have ended: then it still holds its GPU
        if worker in self._excused and isinstance(reason, EngineEnded):
            _log.warning("an engine that ended because another one died in a broadcast is replaced: %s", reason)
        else:
            self._count(seat, reason)
        if self._failure is None:
            self._begin(self._fill(seat))

    def _count(self, seat: _Seat, reason: Exception) -> None:
        seat.deaths.append(time.monotonic())
        if (deaths := seat.deaths_of_late()) > self._placement.restarts:
            self._failure = RunFailed(
                f"a rollout worker died {deaths} times within an hour (runtime.placement.restarts is "
                f"{self._placement.restarts}); the last reason: {reason}"
            )
            self._begin(self._notify_all())  # a task, since callers of this function cannot await
        else:
            _log.warning("a rollout worker died and is replaced: %s", reason)

    async def _fill(self, seat: _Seat) -> None:
        """Start workers in the seat until one is ready or the pool has failed, then wake all that wait for a worker.

        It does not raise what a worker raises: it runs as a task that nobody awaits, and records the error instead.
        """
        while self._failure is None:
            worker = worker_actor.start_worker(self._setup, self._placement, seat.spots)
            services = self._placement.search_urls
            try:
                weights = await self._published()
                opening: Awaitable[Any] = worker.open.remote(self._setup, self._searchers, services, weights)
                await asyncio.wait_for(answer(opening), START_SECONDS)
            except ActorLost as reason:
                self._count(seat, reason)
            except TimeoutError:
                ray.kill(worker)
                self._failure = RunFailed(f"a rollout worker was not ready in {START_SECONDS:.0f} seconds")
            except asyncio.CancelledError:
                ray.kill(worker)
                raise
            except Exception as error:  # raised by all callers that wait for a seat
                ray.kill(worker)
                self._failure = error
            else:
                seat.worker = worker
                break
        await self._notify_all()

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._starting.add(task)
        task.add_done_callback(self._starting.discard)
