"""The order of trajectories in SFT: a pure function of the settings, the seed and the data.

A level is a number of masks or hops (`schemas.records.Trajectory.level`). The phase of up to k mixes trajectories of
levels 1 to k in equal numbers; those without a level count as one more. Within a level every trajectory is drawn once
per epoch, times the weight of its source. The order does not depend on ranks or micro-batches, and a step's examples
can be computed without the steps before it.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from schemas.errors import BadInput
from schemas.training_settings import CurriculumPhase, SftSettings
from trainers.model.sequences import Sequence
from trainers.supervised.course import Step


@dataclass(frozen=True, slots=True)
class Example:
    """The properties of a trajectory that its order depends on."""

    n_tokens: int
    level: int
    weight: float


@dataclass(frozen=True, slots=True)
class StepPlan:
    """One step: the bound of the curriculum's phase (0: none) and its examples, by their index."""

    phase: int
    examples: list[int]


def plan(examples: list[Example], settings: SftSettings) -> Iterator[StepPlan]:
    """The steps of the whole curriculum.

    Raises:
        BadInput: there is no example at the bound of a phase.
    """
    for number, phase in enumerate(settings.curriculum):
        by_level = _by_level(examples, phase)
        draws = _draws(examples, by_level, (settings.seed, number))
        for drawn in _steps(examples, draws, settings.tokens_per_step, phase.steps):
            yield StepPlan(phase.bound or 0, drawn)


def _by_level(examples: list[Example], phase: CurriculumPhase) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for index, example in enumerate(examples):
        if (phase.bound is None or example.level <= phase.bound) and example.weight > 0:
            found.setdefault(example.level, []).append(index)
    if not found or (phase.bound is not None and max(found) not in (0, phase.bound)):
        raise BadInput(
            f"the curriculum has a phase of up to {phase.bound} {phase.unit}, but no accepted trajectory has that "
            "number: shorten the curriculum, or make more trajectories"
        )
    return dict(sorted(found.items()))


def _draws(examples: list[Example], by_level: dict[int, list[int]], seed: tuple[int, ...]) -> Iterator[int]:
    """An endless sequence of examples, in which levels alternate."""
    streams = [_epochs(examples, members, (*seed, level)) for level, members in by_level.items()]
    for stream in itertools.cycle(streams):
        yield next(stream)


def _epochs(examples: list[Example], members: list[int], seed: tuple[int, ...]) -> Iterator[int]:
    """Epochs in random order. The lightest example occurs once in each, one of 1.5 times its weight once or twice."""
    weights = np.array([examples[index].weight for index in members])
    weights /= weights.min()
    for epoch in itertools.count():
        random = np.random.default_rng((*seed, epoch))
        times = np.floor(weights + random.random(len(members))).astype(int)
        yield from random.permutation(np.repeat(members, times)).tolist()


def _steps(examples: list[Example], draws: Iterator[int], n_tokens: int, steps: int) -> Iterator[list[int]]:
    """Draws cut into steps of ``n_tokens`` on average: after a step with too many tokens the next ones have fewer."""
    held = 0
    for number in range(1, steps + 1):
        drawn: list[int] = []
        while not drawn or held < number * n_tokens:
            drawn.append(next(draws))
            held += examples[drawn[-1]].n_tokens
        yield drawn


class TrajectoryCourse:
    """The curriculum over trajectories in memory (a `trainers.supervised.course.Course`)."""

    def __init__(self, sequences: list[Sequence], examples: list[Example], settings: SftSettings) -> None:
        self._sequences, self._examples, self._settings = sequences, examples, settings

    def __len__(self) -> int:
        return self._settings.steps

    def steps(self, first: int) -> Iterator[Step]:
        for planned in itertools.islice(plan(self._examples, self._settings), first, None):
            yield Step(planned.phase, [self._sequences[index] for index in planned.examples])
