"""Cleaned pages of an earlier snapshot, for pages whose revision has not changed since.

The results of cleaning are reused: text, links and losses. Redirects are those of the new snapshot, because they change
without the page. A part is chosen by the page ids that it covers, and one part at a time is in memory: a dump is in the
order of page ids, and so are the lookups.
"""

from collections.abc import Sequence
from typing import NamedTuple

import pyarrow as pa

from schemas.records import Page
from tasks.dumps.xml import RawPage
from tasks.ledger import storage


class EarlierPart(NamedTuple):
    """A part of pages, and the ids of its first and last page."""

    path: str
    first: int
    last: int


def earlier_part(path: str) -> EarlierPart | None:
    """The part at a path; None if it has no pages."""
    ids = storage.range_of(path, "page_id")
    return None if ids is None else EarlierPart(path, *ids)


class EarlierPages:
    """The pages of an earlier snapshot by id and revision."""

    def __init__(self, parts: Sequence[EarlierPart]) -> None:
        self._parts = parts
        self.counts = {"reused": 0, "read_anew": 0}
        """Results of the lookups so far."""
        self._loaded: str | None = None
        self._table = pa.table({})
        self._rows: dict[tuple[int, int], int] = {}

    def find(self, raw: RawPage) -> Page | None:
        """The earlier page with this id, revision and title, if there is one.

        None if the text has been hidden since, because the page must not show it any more.
        """
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
