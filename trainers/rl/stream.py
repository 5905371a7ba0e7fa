"""Rollouts that go on while the policy is updated: asynchronous generation with a bound on staleness.

An event loop in a thread of its own keeps prompts in flight: a step's worth for the step that is collected, and one for
each of the next `dapo.staleness` steps, whose policies will be that many versions newer at most. While a step is
trained on, a prompt whose rollouts turn out equal makes place for another at once: else the engine would run dry. A
group whose oldest token is of an older policy than the bound is dropped; importance weights account for the difference
of all others.
"""

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable

from schemas.errors import RunFailed
from schemas.settings import DapoSettings
from trainers.ranks.stopping import Interrupted, StopSignal
from trainers.rl.generation import LOOK_SECONDS, Cursor, Harvest, Roll, roll_group
from trainers.rl.groups import Group
from trainers.rl.prompts import Place, PromptOrder
from trainers.rl.rewards.earned import Rewarder


class Stream:
    """The same calls as `trainers.rl.generation.Generation`; ``version`` tells that of the policy being trained."""

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
        """For how many steps there are prompts under way or ready."""
        self._news = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="generation", daemon=True)
        self._thread.start()

    def collect(self, cursor: Cursor, max_masks: int) -> tuple[Harvest, Cursor]:
        """The groups of one step, and where a training that is resumed goes on.

        Raises:
            Interrupted: told to stop; ``cursor`` is still where to go on.
            RunFailed: a step's worth of groups failed, so that the tools must be broken.
        """
        collecting = asyncio.run_coroutine_threadsafe(self._collect(cursor, max_masks), self._loop)
        while not self._stop.received:
            done, _ = concurrent.futures.wait([collecting], LOOK_SECONDS)
            if done:
                return collecting.result()
        collecting.cancel()
        raise Interrupted

    def published(self) -> None:
        """A new version of the policy samples from now on: what is in flight goes on, or begins anew."""
        if self._settings.in_flight == "regenerated":
            asyncio.run_coroutine_threadsafe(self._begin_anew(), self._loop).result()

    def close(self) -> None:
        """Give up what is in flight."""
        asyncio.run_coroutine_threadsafe(self._give_up(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    # -- on the event loop's thread -----------------------------------------------------------------------------------

    async def _collect(self, cursor: Cursor, max_masks: int) -> tuple[Harvest, Cursor]:
        if not self._begun:
            self._go_on_from(cursor)
        if self._next.max_masks != max_masks:
            self._next = Place(max_masks, 0)
        wanted = self._settings.prompts
        stale: list[Group] = []
        drawn: list[Group] = []
        while True:
            self._fill(ahead=1 + self._settings.staleness)
            drawn += self._drawn
            self._drawn.clear()
            self._check(drawn)
            stale += self._without_stale()
            if len(self._ready) >= wanted or len(drawn) >= self._most_drawn:
                break
            self._news.clear()
            await self._news.wait()
        self._ready.sort(key=lambda group: group.oldest_version)
        groups, self._ready = self._ready[:wanted], self._ready[wanted:]
        self._fill(ahead=self._settings.staleness)
        then = Cursor(
            max_masks=max_masks,
            position=self._next.position,
            in_flight=list(self._in_flight),
            carried=list(self._ready),
        )
        return Harvest(groups, drawn, -(-len(drawn) // wanted), stale), then

    def _go_on_from(self, cursor: Cursor) -> None:
        self._begun = True
        self._next = Place(cursor.max_masks, cursor.position)
        self._ready = list(cursor.carried)
        for place in cursor.in_flight:
            self._start(place)

    @property
    def _most_drawn(self) -> int:
        """No more groups than these, informative or not, come in for a step or while one is trained on."""
        return self._settings.prompts * self._settings.max_generation_batches

    def _fill(self, ahead: int) -> None:
        """Begin new prompts, until there are enough under way or ready for so many steps; and keep it so."""
        self._ahead = ahead
        while len(self._in_flight) + len(self._ready) < self._settings.prompts * ahead:
            self._start(self._next)
            self._next = Place(self._next.max_masks, self._next.position + 1)

    def _start(self, place: Place) -> None:
        group = roll_group(self._roll, self._prompts, place, self._settings, self._reward)
        task = self._loop.create_task(group)
        self._in_flight[place] = task
        task.add_done_callback(lambda done: self._finished(place, done))

    def _finished(self, place: Place, task: asyncio.Task[Group]) -> None:
        if self._in_flight.get(place) is not task:
            return
        del self._in_flight[place]
        if task.cancelled():
            return
        if task.exception() is not None:
            self._failure = task.exception()
        else:
            group = task.result()
            self._drawn.append(group)
            if group.is_informative:
                self._ready.append(group)
            elif len(self._drawn) < self._most_drawn:
                self._fill(self._ahead)
        self._news.set()

    def _check(self, drawn: list[Group]) -> None:
        if self._failure is not None:
            raise self._failure
        last = drawn[-self._settings.prompts :]
        if len(last) == self._settings.prompts and not any(group.trajectories for group in last):
            raise RunFailed("every rollout of a step failed, in search or in the engine; run again to go on")

    def _without_stale(self) -> list[Group]:
        """Take the groups out that are older than is allowed, and give them back."""
        oldest = self._version() - self._settings.staleness
        stale = [group for group in self._ready if group.oldest_version < oldest]
        self._ready = [group for group in self._ready if group.oldest_version >= oldest]
        return stale

    async def _begin_anew(self) -> None:
        places = list(self._in_flight)
        await self._give_up()
        for place in places:
            self._start(place)

    async def _give_up(self) -> None:
        tasks = list(self._in_flight.values())
        self._in_flight.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
