"""`masksearch stop`: what runs under a root is asked to stop, and waited for."""

import io
import time

import pytest
from rich.console import Console

from flows.stop import stop
from schemas.errors import BadInput, Stopped
from schemas.runtime import LocalJobs
from tasks import jobs
from tasks.jobs import stopping
from tests.support.sleepers import SLEEPER, job, starts, wait_until_started

SNAPSHOT = "enwiki-20261101"


def said_of(root, *names):
    text = io.StringIO()
    stop(str(root), names, Console(file=text, width=200))
    return text.getvalue()


@pytest.fixture
def models(tmp_path):
    folder = tmp_path / SNAPSHOT / "models"
    folder.mkdir(parents=True)
    return folder


def started(models, **settings):
    sleeping = job(models, **settings)
    jobs.start_or_attach(SLEEPER, sleeping)
    wait_until_started(models)
    return sleeping


@pytest.mark.parametrize("names", [(), (SNAPSHOT,), ("models",), ("models/job",), (SNAPSHOT, "job")])
def test_a_job_is_saved_and_stopped_by_any_of_its_names(tmp_path, models, names):
    sleeping = started(models, seconds=60.0, saving=1.0)
    said = said_of(tmp_path, *names)
    assert f"✓ {SNAPSHOT} models/job: saved its state" in said
    assert (models / "job" / "saved").exists()
    with pytest.raises(Stopped, match=r"was asked to stop and saved its state .* run again to continue"):
        jobs.watch(sleeping.output, lambda progress: None)
    jobs.start_or_attach(SLEEPER, job(models))
    assert jobs.watch(sleeping.output, lambda progress: None).figures == {"slept": 0.0}


def test_only_what_is_named_is_stopped(tmp_path, models):
    (tmp_path / SNAPSHOT / "answers" / "base").mkdir(parents=True)
    sleeping = started(models, seconds=60.0)
    assert "nothing is at work there" in said_of(tmp_path, "answers/base")
    assert jobs.is_running(sleeping.output)
    jobs.cancel(sleeping.output)


def test_a_job_that_takes_too_long_is_killed_and_not_said_to_be_saved(tmp_path, models):
    sleeping = job(models, seconds=60.0, saving=60.0)
    jobs.start_or_attach(SLEEPER, sleeping, LocalJobs(stop_patience=0.5))
    wait_until_started(models)
    said = said_of(tmp_path)
    assert "was killed" in said
    assert "saved its state" not in said
    assert not jobs.is_running(sleeping.output)


def test_where_nothing_runs_it_is_one_line_and_nothing_is_written(tmp_path, models):
    (models / "job").mkdir()
    assert said_of(tmp_path).strip() == f"{tmp_path}: nothing is at work there"
    assert list((models / "job").iterdir()) == []


def test_a_wrong_root_and_a_wrong_name_are_told(tmp_path, models):
    (models / "job").mkdir()
    for root in (tmp_path / "nowhere", models):
        with pytest.raises(BadInput, match="no snapshot of a pipeline lies there"):
            said_of(root)
    with pytest.raises(BadInput, match="nothing goes by sft-9 there; there are enwiki-20261101, models/job"):
        said_of(tmp_path, "sft-9")


def test_ctrl_c_ends_the_wait_and_the_request_stands(tmp_path, models, monkeypatch):
    sleeping = started(models, seconds=60.0, saving=2.0)

    def interrupted(place):
        raise KeyboardInterrupt

    monkeypatch.setattr(stopping, "wait", interrupted)
    with pytest.raises(Stopped, match="the request stands"):
        said_of(tmp_path)
    while jobs.is_running(sleeping.output):
        time.sleep(0.1)
    assert (models / "job" / "saved").exists()


def test_a_run_that_starts_while_a_job_is_still_saving_waits_and_goes_on(tmp_path, models, capsys):
    sleeping = started(models, seconds=60.0, saving=2.0)
    jobs.ask_to_stop(sleeping.output)
    assert jobs.is_stopping(sleeping.output)
    jobs.start_or_attach(SLEEPER, job(models))
    assert "is saving its state; it is started again after that" in capsys.readouterr().err
    assert jobs.watch(sleeping.output, lambda progress: None).figures == {"slept": 0.0}
    assert (models / "job" / "saved").exists()
    assert len(starts(models)) == 2


def test_jobs_of_an_acceptance_are_found(tmp_path, models):
    folder = tmp_path / "acceptance" / "tiny-1" / SNAPSHOT / "jobs"
    started(folder, seconds=60.0)
    assert f"✓ {SNAPSHOT} jobs/job: saved its state" in said_of(tmp_path)
