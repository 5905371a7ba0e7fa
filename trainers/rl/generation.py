"""Rollouts for one step: groups of a question each, refilled until enough of them are informative (dynamic sampling).

Informative groups beyond what a step takes are carried to the next one, so that no rollout is thrown away for having
been one too many: they are at most a step old, and importance weights account for it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict

from schemas.errors import RunFailed
from schemas.records import Question, Trajectory
from schemas.settings import DapoSettings
from trainers.ranks.stopping import Interrupted, StopSignal
from trainers.rl.groups import Group, group_of
from trainers.rl.prompt_ledger import Drop, Fate
from trainers.rl.prompts import Place, PromptOrder, rollout_seed
from trainers.rl.rewards.earned import Rewarder

Roll = Callable[[Question, int, int], Awaitable[Trajectory]]
"""Rolls out a question with a number of the rollout and a seed."""

LOOK_SECONDS = 0.5
"""How often somebody who waits for rollouts looks whether the process was told to stop."""


class Cursor(BaseModel):
    """Where generation stands, as a checkpoint keeps it: the next position in a phase, groups not yet trained on.

    What is in flight, of prompts before that position, begins anew when the training is resumed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_masks: int = 0
    position: int = 0
    in_flight: list[Place] = []
    carried: list[Group] = []


@dataclass(frozen=True)
class Harvest:
    """``groups`` are to be trained on; ``drawn`` came in since the last step; ``stale`` were informative, but too old.

    ``batches`` tells how many steps' worth of groups was drawn.
    """

    groups: list[Group]
    drawn: list[Group]
    batches: int
    stale: list[Group] = field(default_factory=list)

    def fates(self, step: int) -> list[Fate]:
        """What became of prompts with this step; those that wait for another one have no fate yet."""
        dull = [group for group in self.drawn if not group.is_informative]
        dropped = [(group, Drop.EQUAL if group.trajectories else Drop.FAILED) for group in dull]
        dropped += [(group, Drop.STALE) for group in self.stale]
        return [group.fate(step) for group in self.groups] + [group.fate(step, reason) for group, reason in dropped]


class Generation:
    """Draws questions in their order and rolls them out, a batch of groups at a time."""

    def __init__(
        self, roll: Roll, prompts: PromptOrder, settings: DapoSettings, max_tokens: int, stop: StopSignal
    ) -> None:
        self._roll, self._prompts, self._settings = roll, prompts, settings
        self._reward, self._stop = Rewarder(settings, max_tokens), stop
        self._runner = asyncio.Runner()

    def collect(self, cursor: Cursor, max_masks: int) -> tuple[Harvest, Cursor]:
        """The groups of one step, and where the next one goes on.

        Raises:
            Interrupted: told to stop; ``cursor`` is still where to go on.
            RunFailed: a whole batch failed, so that the tools must be broken.
        """
        wanted = self._settings.prompts
        position = cursor.position if cursor.max_masks == max_masks else 0
        ready, drawn, batches = list(cursor.carried), [], 0
        while len(ready) < wanted and batches < self._settings.max_generation_batches:
            places = [Place(max_masks, number) for number in range(position, position + wanted)]
            batch = self._runner.run(self._batch(places))
            position += wanted
            batches += 1
            if not any(group.trajectories for group in batch):
                raise RunFailed("every rollout of a batch failed, in search or in the engine; run again to go on")
            drawn += batch
            ready += [group for group in batch if group.is_informative]
        then = Cursor(max_masks=max_masks, position=position, carried=ready[wanted:])
        return Harvest(ready[:wanted], drawn, batches), then

    def published(self) -> None:
        """A new version of the policy samples from now on. Nothing is in flight between two steps."""

    def close(self) -> None:
        self._runner.close()

    async def _batch(self, places: list[Place]) -> list[Group]:
        rolling = [roll_group(self._roll, self._prompts, place, self._settings, self._reward) for place in places]
        tasks = [asyncio.create_task(group) for group in rolling]
        pending = set(tasks)
        try:
            while pending:
                done, pending = await asyncio.wait(pending, timeout=LOOK_SECONDS, return_when=asyncio.FIRST_EXCEPTION)
                if self._stop.received:
                    raise Interrupted
                for task in done:
                    task.result()  # or its error
            return [task.result() for task in tasks]
        finally:
            await _end(tasks)


async def roll_group(roll: Roll, prompts: PromptOrder, place: Place, settings: DapoSettings, reward: Rewarder) -> Group:
    """All rollouts of the prompt at a place, each with a seed of its own; an error of one ends the others."""
    question = prompts.question(*place)
    tasks = [
        asyncio.ensure_future(roll(question, number, rollout_seed(settings.seed, *place, number)))
        for number in range(settings.group)
    ]
    try:
        rollouts = await asyncio.gather(*tasks)
    finally:
        await _end(tasks)
    return group_of(question, place, rollouts, reward)


async def _end(tasks: list[asyncio.Task[Any]]) -> None:
    """Those that are done stay as they are."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
