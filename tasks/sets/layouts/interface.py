"""What a published layout is: it recognises a record, and reads one at a time."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from tasks.sets.fields import Record
from tasks.sets.interface import SetQuestion, SetText


class RecordLayout(ABC):
    """Built for one file, whose path is given for those that read a second file beside it."""

    reads_pairs: ClassVar[bool] = False
    """Whether the set is also distributed as plain questions and answers, which only its name tells from other sets."""

    def __init__(self, path: str) -> None:
        self.path = path

    @staticmethod
    @abstractmethod
    def fits(record: Record) -> bool:
        """Whether a record's fields are those of this layout."""

    @abstractmethod
    def read(self, record: Record) -> SetQuestion | SetText:
        """The record as a question; a record of a corpus is a `SetText`.

        Raises:
            AttributeError, KeyError, TypeError, ValueError: it is not of this layout.
        """

    @staticmethod
    def beside(path: str) -> Sequence[str]:
        """Files that are read with this one, where they exist."""
        return ()
