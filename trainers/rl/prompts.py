"""The order of questions: a pure function of the seed, the curriculum's phase and the position in it."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from schemas.errors import BadInput
from schemas.records import Question


class Place(NamedTuple):
    """The place of a prompt: its position (from 0) in a phase of the curriculum, whose ``bound`` is 0 if it has none.

    A phase mixes questions up to its bound. A level (`schemas.records.Question.level`) is a number of masks or hops.
    """

    bound: int
    position: int


class PromptOrder:
    """An endless order of questions. Levels alternate; each question occurs once per epoch of its level."""

    def __init__(self, questions: list[Question], seed: int) -> None:
        self._seed = seed
        self._by_level: dict[int, list[Question]] = {}
        for question in questions:
            self._by_level.setdefault(question.level, []).append(question)

    def question(self, place: Place) -> Question:
        """The question at a place.

        Raises:
            BadInput: there is no question at the bound of the phase.
        """
        bound, position = place
        levels = [level for level in sorted(self._by_level) if not bound or level <= bound]
        if not levels or (bound and levels[-1] not in (0, bound)):
            raise BadInput(
                f"the curriculum has a phase of up to {bound} masks or hops, but no question has that number: remove "
                "the phase, or make more questions"
            )
        turn, which = divmod(position, len(levels))
        members = self._by_level[levels[which]]
        epoch, index = divmod(turn, len(members))
        return members[_order(self._seed, bound, levels[which], epoch, len(members))[index]]


@lru_cache(maxsize=64)
def _order(seed: int, bound: int, level: int, epoch: int, size: int) -> list[int]:
    order: list[int] = np.random.default_rng((seed, bound, level, epoch)).permutation(size).tolist()
    return order


def rollout_seed(seed: int, place: Place, rollout: int) -> int:
    """The sampler's seed for one rollout of the question at a place."""
    return int(np.random.SeedSequence((seed, *place, rollout)).generate_state(1)[0] >> 1)
