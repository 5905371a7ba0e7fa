"""The index as a job: how far it is, and what is left of one that was stopped."""

import json
import os
import signal
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from retrieval_index.hits import Query
from retrieval_index.opening import open_index
from schemas.corpus_settings import IndexSettings
from schemas.errors import BadInput, RunFailed
from schemas.jobs import IndexJob
from tasks import jobs
from tasks.indexing import job

MODULE = "tasks.indexing.job"


def index_job(folder: Path, passages: int, language: str = "en") -> IndexJob:
    rows = [{"passage_id": f"{n}-0", "title": f"Town {n}", "text": f"It has {n} towers."} for n in range(passages)]
    path = folder / "passages.parquet"
    if rows:
        pq.write_table(pa.Table.from_pylist(rows), path)
    output = str(folder / "index" / "v1")
    settings = IndexSettings(language=language)
    return IndexJob(output=output, snapshot="enwiki-20261101", settings=settings, passages=[str(path)])


def test_a_stopped_job_leaves_no_index_and_the_next_one_builds_it(tmp_path):
    job = index_job(tmp_path, 40_000)
    index = Path(job.output) / "index"
    jobs.start_or_attach(MODULE, job)
    started = jobs.StartedJob.model_validate_json((Path(job.output) / "job.json").read_text())
    progress = Path(job.output) / "progress.json"
    while not progress.exists():
        time.sleep(0.02)
    (Path(job.output) / "stop").touch()
    os.kill(started.process, signal.SIGTERM)
    with pytest.raises(RunFailed, match="asked to stop"):
        jobs.watch(job.output, lambda _: None)
    assert json.loads(progress.read_text())["total"] == 40_000
    assert not index.exists()
    assert not index.with_name(".index.building").exists()
    said = []
    jobs.start_or_attach(MODULE, job)
    assert jobs.watch(job.output, said.append).figures["documents"] == 40_000
    assert (said[-1].done, said[-1].unit) == (40_000, "passages")
    (hits,) = open_index(str(index)).search([Query("town 39999")], 1)
    assert hits[0].passage_id == "39999-0"


@pytest.mark.parametrize(("language", "analyzer", "warned"), [("de", "de", ""), ("sw", "plain", "no analyzer for sw")])
def test_a_language_without_an_analyzer_is_shown_in_the_progress_and_noted(
    tmp_path, monkeypatch, language, analyzer, warned
):
    notes: list[str] = []
    monkeypatch.setattr(jobs, "report_progress", lambda *said: notes.append(said[-1]))
    figures = job.build(index_job(tmp_path, 2, language))
    assert figures["made_by"]["analyzer"] == analyzer
    assert warned in notes[0] and bool(warned) == bool(notes[0])


def test_missing_passages_are_reported_in_one_line(tmp_path):
    job = index_job(tmp_path, 0)
    jobs.start_or_attach(MODULE, job)
    with pytest.raises(BadInput, match=r"passages\.parquet: not a file"):
        jobs.watch(job.output, lambda _: None)
