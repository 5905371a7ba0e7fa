"""What a layout of question sets is: a reader of one file."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple


class SetText(NamedTuple):
    """A question as it is asked, or a passage that holds what answers one."""

    kind: Literal["question", "evidence"]
    text: str


class Layout(ABC):
    """Built for one set; ``settings`` are those of its entry in the config."""

    def __init__(self, settings: Any) -> None:
        self.settings = settings

    @abstractmethod
    def read(self, path: str) -> Iterator[SetText]:
        """All questions of the file, and the passages that it names as evidence.

        Raises:
            BadInput: the file cannot be read. A ValueError or KeyError is reported as one.
        """
