"""``python -m tasks.indexing.job CONFIG.json`` (`schemas.jobs.IndexJob`): the index of a corpus.

An index is whole or not there: told to stop, or killed, the next run builds it from the first passage.
"""

import time
from typing import Any

from retrieval_index.lucene import PLAIN, analyzer_of
from schemas.corpus_settings import IndexSettings
from schemas.jobs import IndexJob
from tasks import jobs
from tasks.indexing.building import build_from_parquet, count_passages
from tasks.ledger import storage

FOLDER = "index"

_PROGRESS_SECONDS = 1.0


def build(job: IndexJob) -> dict[str, Any]:
    """Write ``index/``; its passages and bytes, and what made it (`retrieval_index.folder.IndexInfo.versions`)."""
    out = storage.join(job.output, FOLDER)
    storage.remove(out)
    taken = _Taken(job.output, count_passages(job.passages), _warning(job.settings))
    built = build_from_parquet(job.passages, out, job.settings, taken.one_more)
    return {"documents": built.documents, "bytes": built.bytes, "made_by": built.versions}


def _warning(settings: IndexSettings) -> str:
    """What whoever waits is told of the index."""
    if not settings.finds_words or analyzer_of(settings.language) != PLAIN:
        return ""
    return f"Lucene has no analyzer for {settings.language}: words are searched as they are written"


class _Taken:
    """Counts the passages that the index took, and tells of them once a second."""

    def __init__(self, output: str, total: int, warning: str) -> None:
        self._output, self._total, self._warning = output, total, warning
        self._count, self._said = 0, 0.0

    def one_more(self) -> None:
        self._count += 1
        is_last, now = self._count == self._total, time.monotonic()
        if is_last or now - self._said >= _PROGRESS_SECONDS:
            self._said = now
            note = "now written and checked" if is_last else self._warning
            jobs.report_progress(self._output, self._count, self._total, "passages", note)


if __name__ == "__main__":
    jobs.main(IndexJob, build)
