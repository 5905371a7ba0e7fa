"""The order of trajectories in SFT: a pure function of the settings, the seed and the data.

The phase of up to k masks mixes trajectories of 1 to k masks in equal numbers; tasks without masks count as one more
number. Within a number of masks every trajectory is drawn once per epoch, times the weight of its source. The order
does not depend on ranks or micro-batches, and a step's examples can be computed without the steps before it.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from schemas.errors import BadInput
from schemas.settings import CurriculumPhase, SftSettings
from trainers.model.sequences import Sequence
from trainers.supervised.course import Step


@dataclass(frozen=True, slots=True)
class Example:
    """The properties of a trajectory that its order depends on."""

    n_tokens: int
    n_masks: int
    weight: float


@dataclass(frozen=True, slots=True)
class StepPlan:
    """One step: the curriculum's phase (its ``max_masks``) and its examples, by their index."""

    phase: int
    examples: list[int]


def plan(examples: list[Example], settings: SftSettings) -> Iterator[StepPlan]:
    """The steps of the whole curriculum.

    Raises:
        BadInput: there is no example with the largest number of masks of a phase.
    """
    for number, phase in enumerate(settings.curriculum):
        by_masks = _by_masks(examples, phase)
        draws = _draws(examples, by_masks, (settings.seed, number))
        for drawn in _steps(examples, draws, settings.tokens_per_step, phase.steps):
            yield StepPlan(phase.max_masks, drawn)


def _by_masks(examples: list[Example], phase: CurriculumPhase) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for index, example in enumerate(examples):
        if example.n_masks <= phase.max_masks and example.weight > 0:
            found.setdefault(example.n_masks, []).append(index)
    if not found or max(found) not in (0, phase.max_masks):
        raise BadInput(
            f"the curriculum has a phase of up to {phase.max_masks} masks, but no accepted trajectory has that number: "
            "shorten the curriculum, or make more trajectories"
        )
    return dict(sorted(found.items()))


def _draws(examples: list[Example], by_masks: dict[int, list[int]], seed: tuple[int, ...]) -> Iterator[int]:
    """An endless sequence of examples, in which numbers of masks alternate."""
    streams = [_epochs(examples, members, (*seed, n_masks)) for n_masks, members in by_masks.items()]
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
