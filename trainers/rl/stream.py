"""Asynchronous generation: rollouts continue while the policy is updated, with a bound on their staleness.

An event loop in its own thread keeps prompts in flight: one step's worth for the step that is being collected, and one
for each of the next `dapo.staleness` steps, whose policies are at most that many versions newer. During training, an
uninformative group is replaced by a new prompt at once; otherwise the engines would run out of work. A group whose
oldest token is from a policy older than the bound is dropped; for all others importance weights correct the difference.

Threads: only the methods `collect`, `published` and `close` run on the trainer's thread. Everything else, and all state
except the stop signal and the policy's version, belongs to the event loop's thread, so there are no locks.
"""

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable

from schemas.errors import RunFailed
from schemas.training_settings import DapoSettings
from trainers.ranks.stopping import Interrupted, StopSignal
from trainers.rl.generation import LOOK_SECONDS, Cursor, Harvest, Roll, roll_group
from trainers.rl.groups import Group
from trainers.rl.prompts import Place, PromptOrder
from trainers.rl.rewards.earned import Rewarder


class Stream:
    """Has the methods of `trainers.rl.generation.Generation`; ``version`` returns the version of the trained policy."""

    def __init__(
        self,
        roll: Roll,
        prompts: PromptOrder,
        settings: DapoSettings,
        max_tokens: int,
        stop: StopSignal,
        version: Callable[[], int],
    ) -> None:
        self._roll, self._prompts, self._settings = roll, prompts, settings
        self._reward, self._stop, self._version = Rewarder(settings, max_tokens), stop, version
        self._in_flight: dict[Place, asyncio.Task[Group]] = {}
        self._ready: list[Group] = []
        self._drawn: list[Group] = []
        self._next = Place(0, 0)
        self._failure: BaseException | None = None
        self._begun = False
        self._ahead = 0
        """The number of steps' worth of prompts to keep in flight or ready."""
        self._changed = asyncio.Event()
        """Set when a task has ended, so that `_collect` looks again."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="generation", daemon=True)
        self._thread.start()

    def collect(self, cursor: Cursor, bound: int) -> tuple[Harvest, Cursor]:
        """The groups of one step, and the cursor to resume from afterwards.

        Raises:
            Interrupted: a stop was requested; ``cursor`` is still valid to resume from.
            RunFailed: all rollouts of a step's worth of groups failed, so search or engines must be broken.
        """
        collecting = asyncio.run_coroutine_threadsafe(self._collect(cursor, bound), self._loop)
        while not self._stop.received:
            # `wait`, not `result(timeout)`: a TimeoutError of the work itself must not be taken for a timeout here.
            done, _ = concurrent.futures.wait([collecting], LOOK_SECONDS)
            if done:
                return collecting.result()
        collecting.cancel()
        raise Interrupted

    def published(self) -> None:
        """Called when the engines have a new version of the policy: prompts in flight continue, or restart."""
        if self._settings.in_flight == "regenerated":
            asyncio.run_coroutine_threadsafe(self._restart_all(), self._loop).result()

    def close(self) -> None:
        """Cancel everything in flight."""
        # Tasks must end before the loop stops: a stopped loop never runs their cleanup.
        asyncio.run_coroutine_threadsafe(self._cancel_all(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    # -- on the event loop's thread -----------------------------------------------------------------------------------

    async def _collect(self, cursor: Cursor, bound: int) -> tuple[Harvest, Cursor]:
        # Only the first cursor matters: later ones describe the state that this object already has.
        if not self._begun:
            self._go_on_from(cursor)
        if self._next.bound != bound:
            self._next = Place(bound, 0)
        wanted = self._settings.prompts
        stale: list[Group] = []
        drawn: list[Group] = []
        while True:
            # No `await` between here and the decision below, so no task can end meanwhile and be missed.
            self._fill(ahead=1 + self._settings.staleness)
            drawn += self._drawn
            self._drawn.clear()
            self._check(drawn)
            stale += self._without_stale()
            if len(self._ready) >= wanted or len(drawn) >= self._most_drawn:
                break
            self._changed.clear()
            await self._changed.wait()
        # The oldest groups first: they are the next to become stale.
        self._ready.sort(key=lambda group: group.oldest_version)
        groups, self._ready = self._ready[:wanted], self._ready[wanted:]
        # One step's worth less from here on: this step is collected, and the policy is about to change.
        self._fill(ahead=self._settings.staleness)
        then = Cursor(
            bound=bound,
            position=self._next.position,
            in_flight=list(self._in_flight),
            carried=list(self._ready),
        )
        return Harvest(groups, drawn, -(-len(drawn) // wanted), stale), then

    def _go_on_from(self, cursor: Cursor) -> None:
        self._begun = True
        self._next = Place(cursor.bound, cursor.position)
        self._ready = list(cursor.carried)
        for place in cursor.in_flight:
            self._start(place)

    @property
    def _most_drawn(self) -> int:
        """The most groups, informative or not, that are drawn for a step, or while a step is trained."""
        return self._settings.prompts * self._settings.max_generation_batches

    def _fill(self, ahead: int) -> None:
        """Start prompts until those in flight or ready suffice for ``ahead`` steps, and keep that level from now on."""
        self._ahead = ahead
        while len(self._in_flight) + len(self._ready) < self._settings.prompts * ahead:
            self._start(self._next)
            self._next = Place(self._next.bound, self._next.position + 1)

    def _start(self, place: Place) -> None:
        group = roll_group(self._roll, self._prompts, place, self._settings, self._reward)
        task = self._loop.create_task(group)
        self._in_flight[place] = task
        task.add_done_callback(lambda done: self._finished(place, done))

    def _finished(self, place: Place, task: asyncio.Task[Group]) -> None:
        # `_cancel_all` has removed cancelled tasks, and `_restart_all` may have started a new task for the same prompt:
        # the end of an old task must not count.
        if self._in_flight.get(place) is not task:
            return
        del self._in_flight[place]
        if task.cancelled():
            return
        if task.exception() is not None:
            self._failure = task.exception()  # a callback cannot raise it to anybody: `_check` does
        else:
            group = task.result()
            self._drawn.append(group)
            if group.is_informative:
                self._ready.append(group)
            elif len(self._drawn) < self._most_drawn:  # else a policy with only equal rewards would draw without end
                self._fill(self._ahead)
        self._changed.set()

    def _check(self, drawn: list[Group]) -> None:
        if self._failure is not None:
            raise self._failure
        last = drawn[-self._settings.prompts :]
        if len(last) == self._settings.prompts and not any(group.trajectories for group in last):
            raise RunFailed(
                "every rollout of a step failed in search or in the engine: see the job's log, then run again"
            )

    def _without_stale(self) -> list[Group]:
        """Remove the ready groups that are too old, and return them."""
        oldest = self._version() - self._settings.staleness
        stale = [group for group in self._ready if group.oldest_version < oldest]
        self._ready = [group for group in self._ready if group.oldest_version >= oldest]
        return stale

    async def _restart_all(self) -> None:
        places = list(self._in_flight)
        await self._cancel_all()
        for place in places:
            self._start(place)

    async def _cancel_all(self) -> None:
        tasks = list(self._in_flight.values())
        self._in_flight.clear()  # before the cancellation, so that `_finished` ignores these tasks
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
