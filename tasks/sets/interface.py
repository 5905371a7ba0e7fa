"""What a layout of question sets is: a reader of one file, which gives one `SetQuestion` for each record."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from schemas.records import Split, Step, Support


class SetText(NamedTuple):
    """A question as it is asked, or a passage that holds what answers one."""

    kind: Literal["question", "evidence"]
    text: str


@dataclass(frozen=True, kw_only=True)
class SetQuestion:
    """One record of a set, as far as the file has it. `tasks.sets.questions` decides whether it can be asked."""

    question: str
    """What is asked; of a claim, the claim."""
    kind: Literal["qa", "claim"] = "qa"
    """Whether it is a question, or a claim whose answer is a `schemas.records.ClaimLabel`."""
    answers: Sequence[str] = ()
    """The answer, then others that are equally right. Empty: the set does not publish it."""
    id: str | None = None
    """Unique in the set. None: the set has no ids, and the question's digest becomes its id."""
    type: str | None = None
    hops: int = 0
    support: Sequence[Support] = ()
    steps: Sequence[Step] = ()
    sub_questions: Sequence[str] = ()
    """Further questions in whole sentences, for the leak check."""
    split: Split | None = None
    """The split that the file gives to the question."""
    is_answerable: bool = True
    """False: the set says that its passages do not answer the question."""
    problem: str | None = None
    """A field to correct before the question can be asked, in words. The leak check reads the texts all the same."""

    @property
    def texts(self) -> Iterator[SetText]:
        """The questions, then the passages that are named as evidence with their text."""
        asked = (text for text in (self.question, *self.sub_questions) if text.strip())
        yield from (SetText("question", text) for text in asked)
        yield from (SetText("evidence", passage.text) for passage in self.support if passage.text is not None)


class Layout(ABC):
    """Built for one set; ``settings`` are those of its entry in the config."""

    def __init__(self, settings: Any) -> None:
        self.settings = settings

    @abstractmethod
    def read(self, path: str) -> Iterator[SetQuestion | SetText]:
        """One `SetQuestion` for each record of the file, in the file's order.

        A `SetText` is a text that nobody is asked about, such as a passage of a corpus: only the leak check reads it.

        Raises:
            BadInput: the file cannot be read. A ValueError or KeyError is reported as one.
        """
