"""The stream of passages into an index, which checks and counts them and computes their digest."""

import hashlib
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple, TypeVar

from schemas.errors import BadInput

Item = TypeVar("Item")


class IndexedPassage(NamedTuple):
    """The fields of a passage that an index keeps."""

    passage_id: str
    title: str
    text: str


class PassageStream:
    """Passages in the given order. Their number and digest are complete after iteration.

    Iterating raises BadInput for a passage without an id, or with neither title nor text.
    """

    def __init__(self, passages: Iterable[tuple[str, str, str]]) -> None:
        self._passages = passages
        self._sha256 = hashlib.sha256()
        self.documents = 0

    @property
    def digest(self) -> str:
        return self._sha256.hexdigest()

    def __iter__(self) -> Iterator[IndexedPassage]:
        for passage_id, title, text in self._passages:
            passage = IndexedPassage(passage_id, " ".join(title.split()), text)
            if not passage_id.strip():
                raise BadInput(f"passage {self.documents + 1}: passage_id is empty: give every passage its own id")
            if not passage.title and not text.strip():
                raise BadInput(f"passage {passage_id}: title and text are empty: remove the passage")
            for field in passage:
                data = field.encode("utf-8", "surrogatepass")
                # With its length before it, text that moves between two fields changes the digest.
                self._sha256.update(len(data).to_bytes(8, "little"))
                self._sha256.update(data)
            self.documents += 1
            yield passage


def batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Lists of ``size`` items; the last list may be shorter."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
