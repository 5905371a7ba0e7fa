"""Rollouts for one step, a group for each question, until enough groups are informative (dynamic sampling).

Surplus informative groups are carried to the next step, so that no rollout is wasted. They are at most one step old,
and importance weights correct for that.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict

from schemas.errors import RunFailed
from schemas.records import Question, Trajectory
from schemas.training_settings import DapoSettings
from trainers.ranks.stopping import Interrupted, StopSignal
from trainers.rl.groups import Group, group_of
from trainers.rl.prompt_ledger import Drop, Fate
from trainers.rl.prompts import Place, PromptOrder, rollout_seed
from trainers.rl.rewards.earned import Rewarder

Roll = Callable[[Question, int, int], Awaitable[Trajectory]]
"""Generates a rollout from a question, the rollout's number and a seed."""

LOOK_SECONDS = 0.5
"""How often a wait for rollouts checks for a stop request."""


class Cursor(BaseModel):
    """The state of generation in a checkpoint: the next position of a phase, and groups not yet trained on.

    ``in_flight`` are prompts before that position whose rollouts are unfinished. They restart when the training is
    resumed, because partial rollouts are not saved.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    bound: int = 0
    position: int = 0
    in_flight: list[Place] = []
    carried: list[Group] = []


@dataclass(frozen=True)
class Harvest:
    """The result of one step's generation.

    ``groups`` are trained on; ``drawn`` are all groups since the last step; ``stale`` were informative but too old.
    ``batches`` is the number of groups drawn, in steps' worth.
    """

    groups: list[Group]
    drawn: list[Group]
    batches: int
    stale: list[Group] = field(default_factory=list)

    def fates(self, step: int) -> list[Fate]:
        """The fates of prompts that this step decides. Prompts that wait for a later step have none yet."""
        uninformative = [group for group in self.drawn if not group.is_informative]
        dropped = [(group, Drop.EQUAL if group.trajectories else Drop.FAILED) for group in uninformative]
        dropped += [(group, Drop.STALE) for group in self.stale]
        return [group.fate(step) for group in self.groups] + [group.fate(step, reason) for group, reason in dropped]


class Generation:
    """Synchronous generation: it draws questions in order and generates a batch of groups at a time."""

    def __init__(
        self, roll: Roll, prompts: PromptOrder, settings: DapoSettings, max_tokens: int, stop: StopSignal
    ) -> None:
        self._roll, self._prompts, self._settings = roll, prompts, settings
        self._reward, self._stop = Rewarder(settings, max_tokens), stop
        self._runner = asyncio.Runner()

    def collect(self, cursor: Cursor, bound: int) -> tuple[Harvest, Cursor]:
        """The groups of one step, and the cursor of the next step.

        Raises:
            Interrupted: a stop was requested; ``cursor`` is still valid to resume from.
            RunFailed: all rollouts of a batch failed, so search or engines must be broken.
        """
        wanted = self._settings.prompts
        position = cursor.position if cursor.bound == bound else 0
        ready, drawn, batches = list(cursor.carried), [], 0
        while len(ready) < wanted and batches < self._settings.max_generation_batches:
            places = [Place(bound, number) for number in range(position, position + wanted)]
            batch = self._runner.run(self._batch(places))
            position += wanted
            batches += 1
            if not any(group.trajectories for group in batch):
                raise RunFailed(
                    "every rollout of a batch failed in search or in the engine: see the job's log, then run again"
                )
            drawn += batch
            ready += [group for group in batch if group.is_informative]
        then = Cursor(bound=bound, position=position, carried=ready[wanted:])
        return Harvest(ready[:wanted], drawn, batches), then

    def published(self) -> None:
        """Called when the engines have a new version of the policy. Nothing is in flight between two steps."""

    def close(self) -> None:
        self._runner.close()

    async def _batch(self, places: list[Place]) -> list[Group]:
        rolling = [roll_group(self._roll, self._prompts, place, self._settings, self._reward) for place in places]
        tasks = [asyncio.create_task(group) for group in rolling]
        pending = set(tasks)
        try:
            while pending:
                # The timeout lets the loop see a stop request while all rollouts are still running. FIRST_EXCEPTION
                # ends the batch at once after a defect, instead of after the slowest rollout.
                done, pending = await asyncio.wait(pending, timeout=LOOK_SECONDS, return_when=asyncio.FIRST_EXCEPTION)
                if self._stop.received:
                    raise Interrupted
                for task in done:
                    task.result()  # raises the task's error, if it has one
            return [task.result() for task in tasks]
        finally:
            await _end(tasks)


async def roll_group(roll: Roll, prompts: PromptOrder, place: Place, settings: DapoSettings, reward: Rewarder) -> Group:
    """All rollouts of the prompt at a place, each with its own seed. An error of one rollout cancels the others."""
    question = prompts.question(place)
    tasks = [
        asyncio.ensure_future(roll(question, number, rollout_seed(settings.seed, place, number)))
        for number in range(settings.group)
    ]
    try:
        rollouts = await asyncio.gather(*tasks)
    finally:
        await _end(tasks)  # gather does not cancel the others when one fails
    return group_of(question, place, rollouts, reward)


async def _end(tasks: list[asyncio.Task[Any]]) -> None:
    """Cancel the unfinished tasks, and wait until all have ended, so that no request outlives its rollout."""
    for task in tasks:
        task.cancel()
    # Errors are returned, not raised: the first one is already on its way to the caller.
    await asyncio.gather(*tasks, return_exceptions=True)
