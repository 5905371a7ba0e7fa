"""The pool of rollout workers in a Ray cluster: who is asked, what all are told, who takes the place of the dead.

A worker that dies, or whose engine does, is replaced by a new one with the weights published last, and its trajectories
are begun again; their seeds make them what they would have been.
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
"""How long a worker may take for what it is asked, a whole trajectory with a large model at most: one that takes longer
hangs, in a driver or in a collective of its own, and is as good as dead."""

RESTARTS_SECONDS = 3600.0
"""The time in which a worker is replaced `placement.restarts` times at most. In a training of weeks machines are taken
away more often than that; what dies so often in an hour dies for a reason that another one dies for too."""

_CLOSE_SECONDS = 30.0

_log = logging.getLogger(__name__)


class _Seat:
    """A place for one worker after another, in ``spots`` or anywhere; ``worker`` is None while a new one starts."""

    def __init__(self, spots: Sequence[Spot]) -> None:
        self.spots = spots
        self.worker: ActorHandle | None = None
        self.open = 0
        self.deaths: list[float] = []
        """When workers died here, by `time.monotonic`."""

    def deaths_of_late(self) -> int:
        since = time.monotonic() - RESTARTS_SECONDS
        return sum(death > since for death in self.deaths)


class WorkerPool:
    """See `tasks.rollouts.pool.RolloutPool`."""

    def __init__(
        self,
        setup: RolloutSetup,
        placement: PlacementRuntime,
        index_actors: list[ActorHandle],
        places: Sequence[Sequence[Spot]],
    ) -> None:
        self._setup, self._placement, self._searchers = setup, placement, index_actors
        self._seats = [_Seat(spots) for spots in places]
        self._room = capacity(setup.engine)
        self._weights: NewWeights | None = None
        self._broadcaster = Broadcaster(setup.engine, placement) if placement.weights == "broadcast" else None
        self._excused: list[ActorHandle] = []
        """Workers whose engines end because another died in a broadcast: no deaths of theirs."""
        self._publishing = False
        self._failure: Exception | None = None
        self._changed = asyncio.Condition()
        """Told when a seat has room or a worker, or when the pool has failed."""
        self._starting: set[asyncio.Task[None]] = set()

    @classmethod
    async def start(cls, setup: RolloutSetup, placement: PlacementRuntime, spots: Sequence[Spot] = ()) -> "WorkerPool":
        """See `tasks.rollouts.pool.start_pool`."""
        if spots:  # what was reserved for the ranks there is for the engines too
            join_for([searchers.need_of(placement)])
            places: Sequence[Sequence[Spot]] = spots_of_engines(spots, setup.engine.tensor_parallel)
        else:
            join_for([worker_actor.need_of(setup.engine, placement), searchers.need_of(placement)])
            places = [()] * placement.engines
        refuse_engines_without_room(setup, placement, machines_of_cluster())
        pool = cls(setup, placement, await searchers.start_searchers(setup.index, placement), places)
        try:
            await asyncio.gather(*(pool._fill(seat) for seat in pool._seats))
            await pool.versions()
        except BaseException:
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
                return await answer(
                    worker.roll.remote(rollout, sampling, label=label, model=model, retrieval=retrieval), ANSWER_SECONDS
                )
            except (ActorLost, EngineEnded) as reason:
                self._lose(seat, worker, reason)
            finally:
                seat.open -= 1
                await self._tell(1)

    async def publish(self, weights: NewWeights) -> None:
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
            await self._tell_all()
        if set(running) != {weights.version}:
            raise RunFailed(f"the engines run the weights {sorted(set(running))}, not all of them {weights.version}")

    async def take(self, pack: SharedPack, version: int) -> None:
        processes = self._setup.engine.tensor_parallel

        async def by(worker: ActorHandle, number: int) -> None:
            try:
                await answer(worker.take.remote(pack.of_engine(number, processes), version), ANSWER_SECONDS)
            except (ActorLost, EngineEnded) as reason:
                _log.warning("an engine did not take weights %d: %s", version, reason)

        seated = [(seat.worker, number) for number, seat in enumerate(self._seats)]
        await asyncio.gather(*(by(worker, number) for worker, number in seated if worker is not None))

    async def sleep(self) -> None:
        await self._of_each(lambda worker: worker.sleep.remote())

    async def versions(self) -> list[int]:
        return [version for told in await self._of_each(lambda worker: worker.versions.remote()) for version in told]

    async def usage(self) -> list[Usage]:
        return [usage for told in await self._of_each(lambda worker: worker.usage.remote()) for usage in told]

    async def score(self, token_ids: Sequence[int]) -> list[list[float]]:
        return [
            scores for told in await self._of_each(lambda worker: worker.score.remote(token_ids)) for scores in told
        ]

    async def sketches(self) -> "list[list[Sketches]]":
        told = await self._of_each(lambda worker: worker.sketches.remote())
        return [sketches for each in told for sketches in each]

    async def close(self) -> None:
        for task in self._starting:
            task.cancel()
        await asyncio.gather(*self._starting, return_exceptions=True)
        seated = [seat.worker for seat in self._seats if seat.worker is not None]
        closing = [asyncio.wait_for(answer(worker.close.remote()), _CLOSE_SECONDS) for worker in seated]
        await asyncio.gather(*closing, return_exceptions=True)  # one that cannot close any more is killed all the same
        if self._broadcaster is not None:
            self._broadcaster.close()
        for actor in [*seated, *self._searchers]:
            ray.kill(actor)

    # -- new weights ------------------------------------------------------------------------------------------------

    async def _took(self, weights: NewWeights) -> bool:
        """Whether all have them by `take`, but for those that replaced a dead one, who have them by their folder."""
        return self._placement.weights == "ipc" and set(await self.versions()) == {weights.version}

    async def _broadcast(self, weights: NewWeights) -> bool:
        """Whether all have the weights by broadcast; where they have not, a folder serves everybody at any time."""
        tensors = weights.tensors  # one that replaces a worker below has them written to the folder, and let go
        if self._broadcaster is None or tensors is None:
            return False
        await self.versions()  # whoever is dead is replaced: a death during the broadcast would end all engines
        seated = [seat.worker for seat in self._seats if seat.worker is not None]
        if len(seated) < len(self._seats):
            return False
        try:
            await self._broadcaster.send(seated, tensors, weights.version)
        except BroadcastFailed as reason:
            _log.warning("weights %d go by their folder: %s", weights.version, reason)
            self._excused = seated if reason.for_a_death else []
            return False
        return True

    async def _published(self) -> tuple[str, int] | None:
        """Folder and version of the weights of now, or None: still those of the setup's model."""
        weights = self._weights
        if weights is None:
            return None
        return await asyncio.to_thread(weights.folder), weights.version

    # -- who is asked -----------------------------------------------------------------------------------------------

    async def _seat_with_room(self) -> tuple[_Seat, ActorHandle]:
        """The least loaded of the workers that are ready, one more trajectory counted as its own."""

        def with_room() -> list[_Seat]:
            return [seat for seat in self._seats if seat.worker is not None and seat.open < self._room]

        async with self._changed:
            await self._changed.wait_for(lambda: self._failure or (not self._publishing and with_room()))
            if self._failure is not None:
                raise self._failure
            seat = min(with_room(), key=lambda seat: seat.open)
            assert seat.worker is not None
            seat.open += 1
            return seat, seat.worker

    async def _of_each(self, ask: Callable[[ActorHandle], Awaitable[Any]]) -> list[Any]:
        """What every worker says, that of a replacement for one that died over it."""

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

    async def _tell(self, waiting: int) -> None:
        async with self._changed:
            self._changed.notify(waiting)

    async def _tell_all(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    # -- workers that die -------------------------------------------------------------------------------------------

    def _lose(self, seat: _Seat, worker: ActorHandle, reason: Exception) -> None:
        """Put another worker into the seat, unless another of the worker's trajectories has told already."""
        if seat.worker is not worker:
            return
        seat.worker = None
        ray.kill(worker)
        if worker in self._excused and isinstance(reason, EngineEnded):
            _log.warning("an engine that ended over another's death is replaced: %s", reason)
        else:
            self._count(seat, reason)
        if self._failure is None:
            self._begin(self._fill(seat))

    def _count(self, seat: _Seat, reason: Exception) -> None:
        seat.deaths.append(time.monotonic())
        if (deaths := seat.deaths_of_late()) > self._placement.restarts:
            self._failure = RunFailed(
                f"a rollout worker died {deaths} times within an hour (runtime.placement.restarts is "
                f"{self._placement.restarts}), the last time for: {reason}"
            )
            self._begin(self._tell_all())
        else:
            _log.warning("a rollout worker died and is replaced: %s", reason)

    async def _fill(self, seat: _Seat) -> None:
        """Start workers in the seat until one is ready, or the pool has failed."""
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
            except Exception as error:  # whoever waits for this seat raises it
                ray.kill(worker)
                self._failure = error
            else:
                seat.worker = worker
                break
        await self._tell_all()

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._starting.add(task)
        task.add_done_callback(self._starting.discard)
