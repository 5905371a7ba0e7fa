"""``python -m tasks.indexing.job CONFIG.json`` (`schemas.jobs.IndexJob`): the index of a corpus.

An index is complete or absent: after a stop or a kill, the next run builds it again from the first passage.
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
    """Write ``index/``; returns its passages and bytes, and the versions of the libraries that built it."""
    out = storage.join(job.output, FOLDER)
    storage.remove(out)
    progress = _Progress(job.output, count_passages(job.passages), _warning(job.settings))
    built = build_from_parquet(job.passages, out, job.settings, progress.add_one)
    return {"documents": built.documents, "bytes": built.bytes, "made_by": built.versions}


def _warning(settings: IndexSettings) -> str:
    """A note about the index that is shown with the progress; empty if there is none."""
    if not settings.finds_words or analyzer_of(settings.language) != PLAIN:
        return ""
    return f"Lucene has no analyzer for {settings.language}: words are lower-cased but not stemmed"


class _Progress:
    """Counts the passages added to the index, and reports the count once a second."""

    def __init__(self, output: str, total: int, warning: str) -> None:
        self._output, self._total, self._warning = output, total, warning
        self._count, self._last_report = 0, 0.0

    def add_one(self) -> None:
        self._count += 1
        is_last, now = self._count == self._total, time.monotonic()
        if is_last or now - self._last_report >= _PROGRESS_SECONDS:
            self._last_report = now
            note = "writing and checking the index" if is_last else self._warning
            jobs.report_progress(self._output, self._count, self._total, "passages", note)


if __name__ == "__main__":
    jobs.main(IndexJob, build)
