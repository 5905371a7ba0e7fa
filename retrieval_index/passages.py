"""The passages that go into an index: checked and counted on their way, with a digest that says which they were."""

import hashlib
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple, TypeVar

from schemas.errors import BadInput

Item = TypeVar("Item")


class IndexedPassage(NamedTuple):
    """What an index holds of a passage."""

    passage_id: str
    title: str
    text: str


class PassageStream:
    """Passages in the order given; once they are read, their number and their digest are known.

    Iterating raises BadInput for a passage without an id, or without a word in title and text.
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
                raise BadInput(f"passage {self.documents + 1}: passage_id is empty: give each an id of its own")
            if not passage.title and not text.strip():
                raise BadInput(f"passage {passage_id}: title and text are empty: leave it out")
            for part in passage:
                data = part.encode("utf-8", "surrogatepass")
                self._sha256.update(len(data).to_bytes(8, "little"))
                self._sha256.update(data)
            self.documents += 1
            yield passage


def batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Lists of ``size`` items, the last one shorter."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
