"""Rollouts for one step: groups of a question each, refilled until enough of them are informative (dynamic sampling).

Informative groups beyond what a step takes are carried to the next one, so that no rollout is thrown away for having
been one too many: they are at most a step old, and importance weights account for it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from schemas.errors import RunFailed
from schemas.records import Question, Trajectory
from schemas.settings import DapoSettings
from trainers.groups import Group, group_of
from trainers.prompts import PromptOrder, rollout_seed
from trainers.stopping import StopSignal

Roll = Callable[[Question, int, int], Awaitable[Trajectory]]
"""Rolls out a question with a number of the rollout and a seed."""

_LOOK_SECONDS = 0.5


class Interrupted(Exception):
    """The process was told to stop while it generated."""


class Cursor(BaseModel):
    """Where generation stands, as a checkpoint keeps it: the next position of a stage, groups not yet trained on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_masks: int = 0
    position: int = 0
    carried: list[Group] = []


@dataclass(frozen=True)
class Harvest:
    """``groups`` are informative and to be trained on; ``drawn`` are all that were generated for this step."""

    groups: list[Group]
    drawn: list[Group]
    batches: int


class Generation:
    """Draws questions in their order and rolls them out, a batch of groups at a time."""

    def __init__(
        self, roll: Roll, prompts: PromptOrder, settings: DapoSettings, max_tokens: int, stop: StopSignal
    ) -> None:
        self._roll, self._prompts, self._settings = roll, prompts, settings
        self._max_tokens, self._stop = max_tokens, stop
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
            batch = self._runner.run(self._batch(max_masks, range(position, position + wanted)))
            position += wanted
            batches += 1
            if not any(group.trajectories for group in batch):
                raise RunFailed("every rollout of a batch failed, in search or in the engine; run again to go on")
            drawn += batch
            ready += [group for group in batch if group.is_informative]
        then = Cursor(max_masks=max_masks, position=position, carried=ready[wanted:])
        return Harvest(ready[:wanted], drawn, batches), then

    def close(self) -> None:
        self._runner.close()

    async def _batch(self, max_masks: int, positions: range) -> list[Group]:
        tasks = [asyncio.create_task(self._group(max_masks, position)) for position in positions]
        pending = set(tasks)
        try:
            while pending:
                _, pending = await asyncio.wait(pending, timeout=_LOOK_SECONDS, return_when=asyncio.FIRST_EXCEPTION)
                if self._stop.received:
                    raise Interrupted
                if any(task.done() and task.exception() for task in tasks):
                    break
            return [await task for task in tasks]
        finally:
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)

    async def _group(self, max_masks: int, position: int) -> Group:
        question, seed = self._prompts.question(max_masks, position), self._settings.seed
        rollouts = await asyncio.gather(
            *(
                self._roll(question, number, rollout_seed(seed, max_masks, position, number))
                for number in range(self._settings.group)
            )
        )
        return group_of(question, rollouts, self._settings, self._max_tokens)
