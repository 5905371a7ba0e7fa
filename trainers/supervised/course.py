"""What a supervised training trains on, step by step."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from trainers.model.sequences import Sequence


@dataclass(frozen=True, slots=True)
class Step:
    """What one step trains on: the curriculum's phase (0 without one), and sequences."""

    phase: int
    sequences: list[Sequence]


class Course(Protocol):
    """All steps of a training, in order: a pure function of its settings and data.

    They depend neither on the number of ranks nor on the size of micro-batches.
    """

    def __len__(self) -> int: ...

    def steps(self, first: int) -> Iterator[Step]:
        """Steps from number ``first`` (from 0) on."""
