"""Builds and opens indexes of every kind. The settings choose the kind to build, the seal the kind to open."""

import importlib
import os
from collections.abc import Iterable
from typing import Any

from retrieval_index.folder import IndexInfo, check_files, drafting, read_info
from retrieval_index.hits import Searcher
from retrieval_index.passages import PassageStream
from retrieval_index.twins import TwinFinder
from schemas.corpus_settings import IndexSettings

_MODULES = {
    "bm25": "retrieval_index.bm25",
    "dense": "retrieval_index.dense",
    "hybrid": "retrieval_index.hybrid",
}


def _module(settings: IndexSettings) -> Any:
    return importlib.import_module(_MODULES[settings.kind])


def available_threads() -> int:
    """The number of processors that this process may use, at most 16."""
    return min(16, len(os.sched_getaffinity(0)))


def build_index(
    passages: Iterable[tuple[str, str, str]], out: str, settings: IndexSettings, threads: int | None = None
) -> IndexInfo:
    """Build the index ``out`` from (passage id, title, text); it appears whole or not at all.

    White space in a title becomes single spaces. A search returns texts unchanged. An existing index of the same
    passages and settings is left as it is.

    Args:
        threads: threads of the engine; by default one for each processor that the process may use.

    Raises:
        BadInput: two passages share an id, a passage is empty, there are no passages, or ``out`` is taken.
        RunFailed: the engine could not write the index, or did not accept every passage.
    """
    module = _module(settings)
    with drafting(out, settings) as draft:
        twins = TwinFinder(draft.folder)
        stream = PassageStream(twins.watched(passages))
        module.write(draft.folder, stream, settings, threads or available_threads())
        twins.finish()
        return draft.finish(stream.documents, stream.digest, module.versions(settings))


def open_index(folder: str, *, verify: bool = False, threads: int | None = None) -> Searcher:
    """A searcher over an index. File sizes are always compared with the seal; ``verify`` compares contents as well.

    Args:
        threads: threads for one batch of queries; by default one for each processor that the process may use.

    Raises:
        BadInput: there is no index, or it is unfinished or damaged.
    """
    info = read_info(folder)
    check_files(folder, info, contents=verify)
    searcher: Searcher = _module(info.settings).open_searcher(folder, info, threads or available_threads())
    return searcher
