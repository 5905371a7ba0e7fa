"""Indexes of every kind, built and opened by their settings."""

import importlib
from collections.abc import Iterable
from typing import Any

from retrieval_index.folder import IndexInfo, check_files, read_info
from retrieval_index.hits import Searcher
from schemas.config import IndexSettings

_MODULES = {"bm25": "retrieval_index.bm25"}


def _module(settings: IndexSettings) -> Any:
    return importlib.import_module(_MODULES[settings.kind])


def build_index(
    passages: Iterable[tuple[str, str, str]], out: str, settings: IndexSettings, threads: int | None = None
) -> IndexInfo:
    """Build an index of ``settings.kind``: see `bm25.build_index`."""
    return _module(settings).build_index(passages, out, settings, threads)


def open_index(folder: str, *, verify: bool = False, threads: int | None = None) -> Searcher:
    """The searcher over an index. Sizes of its files are always compared with the seal; ``verify`` reads them all.

    Args:
        threads: processors for one batch; by default those that the process may use.

    Raises:
        BadInput: there is no index, it is unfinished, or damaged.
    """
    info = read_info(folder)
    check_files(folder, info, contents=verify)
    return _module(info.settings).open_searcher(folder, info, threads)
