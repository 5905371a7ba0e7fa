"""Queries and hits, and how a question's own source is held back from search."""

from dataclasses import dataclass
from typing import Protocol

from schemas.errors import RunFailed

MAX_QUERY_CHARACTERS = 20_000
"""A longer query is cut to this length, by every searcher, because a service accepts no more (`wire`)."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that a search found. ``score`` depends on the index and is comparable within one search only."""

    passage_id: str
    score: float
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Query:
    """A text to search for, cut at `MAX_QUERY_CHARACTERS`.

    ``hold_back`` names a passage (``12-3``) or a whole page (``12``) that must not be among the hits. Passages with the
    same text as a held-back passage are held back too (`twins`).
    """

    text: str
    hold_back: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", self.text[:MAX_QUERY_CHARACTERS])


class SearchFailed(RunFailed):
    """The index could not be searched, which differs from finding nothing.

    It ends one rollout. Work that depends on the search ends the run.
    """


class Searcher(Protocol):
    """A local index that several threads may search."""

    def search(self, queries: list[Query], k: int) -> list[list[Hit]]:
        """At most ``k`` hits for each query, best first, in the order of the queries. Equal texts are separate hits.

        Raises:
            SearchFailed: the whole batch has no result.
        """


class AsyncSearcher(Protocol):
    """A local index or a remote service, as the agent loop sees it."""

    async def search(self, query: Query, k: int) -> list[Hit]:
        """As `Searcher.search` for one query; concurrent calls may share a batch."""


def is_held_back(passage_id: str, hold_back: str | None) -> bool:
    """Whether a passage is held back, or is on a held-back page; `twins.Twins` knows the passages of the same text."""
    return hold_back is not None and (passage_id == hold_back or passage_id.startswith(f"{hold_back}-"))
