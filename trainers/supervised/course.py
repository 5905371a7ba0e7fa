"""The data of a supervised training, step by step."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from trainers.model.sequences import Sequence


@dataclass(frozen=True, slots=True)
class Step:
    """The data of one step: the curriculum's phase (0 without a curriculum), and sequences."""

    phase: int
    sequences: list[Sequence]


class Course(Protocol):
    """All steps of a training in order, as a pure function of its settings and data.

    They do not depend on the number of ranks or the size of micro-batches.
    """

    def __len__(self) -> int: ...

    def steps(self, first: int) -> Iterator[Step]:
        """The steps from number ``first`` (counted from 0)."""
