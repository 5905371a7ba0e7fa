"""Cleaned pages of an earlier snapshot, for pages whose revision has not changed since.

What is reused is what cleaning gives: text, links and losses. Redirects are those of the snapshot at hand: they change
without the page. Parts are known by the numbers of their pages, and one of them at a time is in memory: dumps are in
the order of those numbers, as the pages that are asked for are.
"""

from collections.abc import Sequence
from typing import NamedTuple

import pyarrow as pa

from schemas.records import Page
from tasks.dumps.xml import RawPage
from tasks.ledger import storage


class EarlierPart(NamedTuple):
    """A part of pages, and the numbers of its first and last page."""

    path: str
    first: int
    last: int


def earlier_part(path: str) -> EarlierPart | None:
    """None for a part without pages."""
    found = storage.range_of(path, "page_id")
    return None if found is None else EarlierPart(path, *found)


class EarlierPages:
    """Pages by number and revision, as an earlier snapshot has them."""

    def __init__(self, parts: Sequence[EarlierPart]) -> None:
        self._parts = parts
        self.counts = {"reused": 0, "read_anew": 0}
        """Of the pages that were asked for; grows."""
        self._loaded: str | None = None
        self._table = pa.table({})
        self._rows: dict[tuple[int, int], int] = {}

    def find(self, raw: RawPage) -> Page | None:
        """The page of this number, revision and title, if it was kept; what was hidden since has no text any more."""
        found = self._find(raw) if raw.text else None
        known = found if found is not None and found.title == raw.title else None
        self.counts["reused" if known else "read_anew"] += 1
        return known

    def _find(self, raw: RawPage) -> Page | None:
        for part in self._parts:
            if part.first <= raw.page_id <= part.last:
                self._load(part.path)
                row = self._rows.get((raw.page_id, raw.revision_id))
                if row is not None:
                    return Page.model_validate(self._table.slice(row, 1).to_pylist()[0])
        return None

    def _load(self, path: str) -> None:
        if path == self._loaded:
            return
        self._table = storage.read_table(path)
        keys = zip(self._table["page_id"].to_pylist(), self._table["revision_id"].to_pylist(), strict=True)
        self._rows = {key: row for row, key in enumerate(keys)}
        self._loaded = path
