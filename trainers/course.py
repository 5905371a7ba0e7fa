"""What a supervised training trains on, step by step."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from trainers.sequences import Sequence


@dataclass(frozen=True, slots=True)
class Step:
    """What one step trains on: the curriculum's stage (0 without one), and blocks of sequences (trainers.batches)."""

    stage: int
    blocks: list[list[Sequence]]


class Course(Protocol):
    """All steps of a training, in order: a pure function of its settings and data, whatever the number of ranks."""

    def __len__(self) -> int: ...

    def steps(self, first: int) -> Iterator[Step]:
        """Steps from number ``first`` (from 0) on."""
