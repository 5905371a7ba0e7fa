"""What a search gives back, and how a question's own source is held back from it."""

from dataclasses import dataclass
from typing import Protocol

from schemas.errors import RunFailed

MAX_QUERY_CHARACTERS = 20_000
"""Of a longer query the beginning is searched for, whatever searches: a service takes no longer one (`wire`)."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage found, best first; ``score`` is the index's own and comparable within one search only."""

    passage_id: str
    score: float
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Query:
    """``hold_back`` names a passage (``12-3``) or a whole page (``12``) that must not be among the hits.

    Nor may another passage of the same text be (`twins`).

    ``text`` is cut at `MAX_QUERY_CHARACTERS`.
    """

    text: str
    hold_back: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", self.text[:MAX_QUERY_CHARACTERS])


class SearchFailed(RunFailed):
    """The index could not be asked. Never the same as finding nothing.

    It is one rollout's end; of work that cannot do without a search it is the end of the run.
    """


class Searcher(Protocol):
    """A local index. Safe to call from several threads."""

    def search(self, queries: list[Query], k: int) -> list[list[Hit]]:
        """At most ``k`` hits a query, in the order of the queries. Passages of one text each take a place.

        Raises:
            SearchFailed: the whole batch is without result.
        """


class AsyncSearcher(Protocol):
    """A local index or a remote service, as the agent loop sees it."""

    async def search(self, query: Query, k: int) -> list[Hit]:
        """As `Searcher.search`, one query; concurrent calls may share a batch."""


def is_held_back(passage_id: str, hold_back: str | None) -> bool:
    """Whether a passage is the one held back, or of the page held back; `twins.Twins` knows those of the same text."""
    return hold_back is not None and (passage_id == hold_back or passage_id.startswith(f"{hold_back}-"))
