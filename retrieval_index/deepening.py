"""Holding passages back: an engine returns more hits than needed, and still more while too few may be shown."""

from collections.abc import Callable
from typing import NamedTuple

from retrieval_index.hits import Hit, Query
from schemas.errors import BadInput

_SPARE_HITS = 4
"""Hits beyond k in the first look, if any query holds something back."""
_GROWTH = 4
"""The factor by which the hits beyond k grow with each look."""


class Look(NamedTuple):
    """At most k hits of one query that may be shown; ``deeper`` says whether the engine may have more hits."""

    hits: list[Hit]
    deeper: bool


def search_without_held_back(
    queries: list[Query], k: int, documents: int, look: Callable[[list[Query], int, int], list[Look]]
) -> list[list[Hit]]:
    """The best ``k`` hits of each query that are not held back; fewer only if the index has no more.

    Args:
        documents: the number of documents in the index, beyond which no look goes.
        look: called with queries, k and the depth, which is the number of an engine's hits to look at.

    Raises:
        BadInput: ``k`` is below 1.
    """
    if k < 1:
        raise BadInput(f"k is {k}: ask for at least one hit")
    hits: dict[Query, list[Hit]] = {query: [] for query in queries}
    unsettled = list(hits)
    spare = _SPARE_HITS if any(query.hold_back is not None for query in unsettled) else 0
    while unsettled:
        depth = min(k + spare, documents)
        looks = dict(zip(unsettled, look(unsettled, k, depth), strict=True))
        hits.update((query, seen.hits) for query, seen in looks.items())
        unsettled = [query for query, seen in looks.items() if seen.deeper and len(seen.hits) < k and depth < documents]
        spare *= _GROWTH
    return [list(hits[query]) for query in queries]
