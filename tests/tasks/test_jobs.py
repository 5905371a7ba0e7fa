"""A job is a real process: these tests start, attach to, kill and cancel one (tests/support/sleeper.py)."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from schemas.errors import BadInput, RunFailed
from schemas.jobs import Job
from tasks import jobs, storage

SLEEPER = "tests.support.sleeper"


class SleeperJob(Job):
    seconds: float = 0.0
    fails_with: str = ""


def job(tmp_path, **settings):
    return SleeperJob(output=str(tmp_path / "job"), snapshot="enwiki-20261101", **settings)


def starts(tmp_path):
    return (tmp_path / "job" / "starts").read_text().splitlines()


def wait_until_started(tmp_path, count=1):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        path = tmp_path / "job" / "starts"
        if path.exists() and len(starts(tmp_path)) >= count:
            return int(starts(tmp_path)[-1])
        time.sleep(0.05)
    raise AssertionError("the job did not start")


def test_a_job_gives_its_figures_and_is_never_run_twice(tmp_path):
    said = []
    for _ in range(2):
        jobs.start_or_attach(SLEEPER, job(tmp_path))
        assert jobs.watch(job(tmp_path).output, said.append).figures == {"slept": 0.0}
    assert len(starts(tmp_path)) == 1
    assert said[-1].done == said[-1].total


def test_a_job_outlives_its_flow_and_the_next_flow_attaches(tmp_path):
    sleeping = job(tmp_path, seconds=3.0)
    code = (
        "from tests.tasks.test_jobs import SleeperJob, SLEEPER; from tasks import jobs\n"
        f"job = SleeperJob.model_validate_json('''{sleeping.model_dump_json()}''')\n"
        "jobs.start_or_attach(SLEEPER, job); print('started', flush=True); jobs.watch(job.output, lambda _: None)\n"
    )
    flow = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": "."})
    assert flow.stdout is not None
    flow.stdout.readline()
    process = wait_until_started(tmp_path)
    flow.send_signal(signal.SIGKILL)
    flow.wait()
    assert jobs.is_running(sleeping.output)
    jobs.start_or_attach(SLEEPER, sleeping)
    assert jobs.watch(sleeping.output, lambda _: None).figures == {"slept": 3.0}
    assert starts(tmp_path) == [str(process)]


def test_a_killed_job_is_told_with_its_last_line_and_starts_again(tmp_path):
    sleeping = job(tmp_path, seconds=60.0)
    jobs.start_or_attach(SLEEPER, sleeping)
    process = wait_until_started(tmp_path)
    time.sleep(1.5)
    os.kill(process, signal.SIGKILL)
    with pytest.raises(RunFailed, match=r"ended from outside \(sleeping\).*run again"):
        jobs.watch(sleeping.output, lambda _: None)
    again = job(tmp_path, seconds=0.0)
    jobs.start_or_attach(SLEEPER, again)
    result = jobs.watch(again.output, lambda _: None)
    assert result.figures == {"slept": 0.0}
    assert result.seconds > 1.4, "the time of the killed process is counted"
    assert len(starts(tmp_path)) == 2


def test_what_a_job_says_of_its_failure_is_what_the_flow_says(tmp_path):
    failing = job(tmp_path, fails_with="the endpoint http://x cannot be reached")
    jobs.start_or_attach(SLEEPER, failing)
    with pytest.raises(BadInput, match=r"^the endpoint http://x cannot be reached$"):
        jobs.watch(failing.output, lambda _: None)


def test_a_cancelled_job_saves_and_leaves(tmp_path):
    sleeping = job(tmp_path, seconds=60.0)
    jobs.start_or_attach(SLEEPER, sleeping)
    wait_until_started(tmp_path)
    jobs.cancel(sleeping.output)
    assert not jobs.is_running(sleeping.output)
    assert storage.read_bytes(storage.join(sleeping.output, "saved")) == b"what it had"
    assert Path(sleeping.output, "result.json").exists() is False
