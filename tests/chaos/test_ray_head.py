"""Jobs on the head of a real Ray cluster, by its own job server: finished, killed and started again, cancelled."""

import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from ray._private.authentication_test_utils import reset_auth_token_state

from schemas.errors import RunFailed
from schemas.runtime import RayJobs
from tasks import jobs
from tasks.jobs import folder
from tasks.jobs.backend import attempt_name
from tests.support.ray_head import running_head
from tests.support.sleepers import SLEEPER, job, starts, wait_until_started

pytestmark = [pytest.mark.slow, pytest.mark.chaos]

HERE = str(Path(__file__).parents[2])


@pytest.fixture(scope="module")
def ray_jobs() -> Iterator[RayJobs]:
    monkeypatch = pytest.MonkeyPatch()
    with running_head() as environment:
        monkeypatch.delenv("RAY_ADDRESS", raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        reset_auth_token_state()  # a test before this one may have had a cluster without a token in this process
        yield RayJobs(working_dir=HERE, python=sys.executable, poll_seconds=0.2)
    monkeypatch.undo()
    reset_auth_token_state()


def test_a_job_runs_once_under_the_name_of_its_folder(tmp_path, ray_jobs):
    sleeping = job(tmp_path, seconds=1.0)
    for _ in range(2):
        jobs.start_or_attach(SLEEPER, sleeping, ray_jobs)
    assert jobs.watch(sleeping.output, lambda _: None).figures == {"slept": 1.0}
    assert (Path(sleeping.output) / "job.log").read_text() == "sleeping\n"
    started = folder.read(sleeping.output, folder.STARTED, folder.StartedJob)
    assert started is not None
    assert (started.handle, started.number) == (attempt_name(sleeping.output, 1), 1)


def test_a_killed_job_is_submitted_again_by_its_watcher_and_by_nobody_else(tmp_path, ray_jobs):
    dying = job(tmp_path, seconds=1.0, signals=[signal.SIGKILL])
    jobs.start_or_attach(SLEEPER, dying, ray_jobs)
    assert jobs.watch(dying.output, lambda _: None).figures == {"slept": 1.0}
    assert [attempt.number for attempt in folder.attempts_of(dying.output)] == [1]
    assert (Path(dying.output) / "job.log").read_text() == "sleeping\n" * 2


def test_a_cancelled_job_saves_what_it_has_and_is_not_started_again(tmp_path, ray_jobs):
    sleeping = job(tmp_path, seconds=300.0)
    jobs.start_or_attach(SLEEPER, sleeping, ray_jobs)
    wait_until_started(tmp_path)
    process = psutil.Process(starts(tmp_path)[0])
    jobs.cancel(sleeping.output, patience=5.0)
    deadline = time.monotonic() + 30
    while process.is_running() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not process.is_running()
    with pytest.raises(RunFailed, match="asked to stop"):
        jobs.watch(sleeping.output, lambda _: None)
