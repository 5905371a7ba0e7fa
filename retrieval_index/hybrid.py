"""BM25 and dense search fused by reciprocal ranks (Cormack, Clarke and Büttcher 2009).

score(d) = Σ_engines  1 / (60 + rank(d))        over the engines with d among their first hits
"""

from collections import defaultdict
from pathlib import Path

from retrieval_index import bm25, dense
from retrieval_index.folder import IndexInfo
from retrieval_index.hits import Hit, Query, Searcher
from retrieval_index.passages import PassageStream
from retrieval_index.store import PassageStore
from schemas.corpus_settings import IndexSettings

RANK_CONSTANT = 60
FUSED_HITS = 100
"""Hits of each engine that are fused; k, if k is larger."""


def versions(settings: IndexSettings) -> dict[str, str]:
    """The versions that the seal of an index records."""
    return bm25.versions(settings) | dense.versions(settings)


def write(folder: Path, stream: PassageStream, settings: IndexSettings, threads: int) -> None:
    """Write both folders; the words are indexed from the passages in the dense folder."""
    dense.write(folder, stream, settings, threads)
    bm25.write(folder, PassageStream(PassageStore(folder / dense.FOLDER)), settings, threads)


def fuse(rankings: list[list[Hit]], k: int) -> list[Hit]:
    """The best ``k`` hits of several rankings of the same passages; equal scores are ordered by passage id."""
    scores: defaultdict[str, float] = defaultdict(float)
    hits: dict[str, Hit] = {}
    for ranking in rankings:
        for rank, hit in enumerate(ranking, 1):
            scores[hit.passage_id] += 1 / (RANK_CONSTANT + rank)
            hits.setdefault(hit.passage_id, hit)
    best = sorted(scores, key=lambda passage_id: (-scores[passage_id], passage_id))[:k]
    return [Hit(passage_id, scores[passage_id], hits[passage_id].title, hits[passage_id].text) for passage_id in best]


class HybridSearcher:
    """A `hits.Searcher` over several searchers of the same passages."""

    def __init__(self, searchers: list[Searcher]) -> None:
        self._searchers = searchers

    def search(self, queries: list[Query], k: int) -> list[list[Hit]]:
        """See `hits.Searcher`; each engine holds back the same passages."""
        depth = max(k, FUSED_HITS) if k > 0 else k
        found = [searcher.search(queries, depth) for searcher in self._searchers]
        return [fuse(list(rankings), k) for rankings in zip(*found, strict=True)]


def open_searcher(folder: str, info: IndexInfo, threads: int) -> HybridSearcher:
    """See `opening.open_index`, which has read and checked the seal."""
    return HybridSearcher([bm25.open_searcher(folder, info, threads), dense.open_searcher(folder, info, threads)])
