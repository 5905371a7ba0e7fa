"""The order of questions: a pure function of the seed, the curriculum's phase and the position in it."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from schemas.errors import BadInput
from schemas.records import Question


class Place(NamedTuple):
    """The place of a prompt: its position (from 0) in the phase that mixes questions of up to ``max_masks`` masks."""

    max_masks: int
    position: int


class PromptOrder:
    """An endless order of questions. Numbers of masks alternate; each question occurs once per epoch of its number."""

    def __init__(self, questions: list[Question], seed: int) -> None:
        self._seed = seed
        self._by_masks: dict[int, list[Question]] = {}
        for question in questions:
            self._by_masks.setdefault(question.n_masks, []).append(question)

    def question(self, max_masks: int, position: int) -> Question:
        """The question at a position (from 0) of the phase that mixes questions of up to ``max_masks`` masks.

        Raises:
            BadInput: there is no question with ``max_masks`` masks.
        """
        numbers = [number for number in sorted(self._by_masks) if number <= max_masks]
        if not numbers or numbers[-1] not in (0, max_masks):
            raise BadInput(
                f"dapo.curriculum has a phase of up to {max_masks} masks, but no question has that number: remove the "
                "phase, or make more questions"
            )
        turn, which = divmod(position, len(numbers))
        members = self._by_masks[numbers[which]]
        epoch, index = divmod(turn, len(members))
        return members[_order(self._seed, max_masks, numbers[which], epoch, len(members))[index]]


@lru_cache(maxsize=64)
def _order(seed: int, max_masks: int, n_masks: int, epoch: int, size: int) -> list[int]:
    order: list[int] = np.random.default_rng((seed, max_masks, n_masks, epoch)).permutation(size).tolist()
    return order


def rollout_seed(seed: int, max_masks: int, position: int, rollout: int) -> int:
    """The sampler's seed for one rollout of the question at a position."""
    return int(np.random.SeedSequence((seed, max_masks, position, rollout)).generate_state(1)[0] >> 1)
