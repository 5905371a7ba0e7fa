"""Jobs of a Ray cluster: Ray's own client against a server that plays its job server and runs the entry points."""

import sys
import time
from pathlib import Path

import pytest

from schemas.errors import RunFailed
from schemas.runtime import RayJobs
from tasks import jobs
from tasks.jobs.backend import attempt_name
from tasks.jobs.folder import attempts_of
from tests.support.cluster import RayHead
from tests.support.http_server import serving
from tests.support.sleepers import SLEEPER, job, starts, wait_until_started

HERE = str(Path(__file__).parents[3])


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")


@pytest.fixture
def head(tmp_path):
    return RayHead(tmp_path / "cluster")


@pytest.fixture
def ray_jobs(head):
    with serving(head) as address:
        yield RayJobs(address=address, working_dir=HERE, python=sys.executable, cpus=2, gpus=1, poll_seconds=0.2)


def test_a_job_is_submitted_once_under_the_name_of_its_folder(tmp_path, head, ray_jobs):
    sleeping = job(tmp_path, seconds=0.5)
    for _ in range(2):
        jobs.start_or_attach(SLEEPER, sleeping, ray_jobs)
    assert jobs.watch(sleeping.output, lambda _: None).figures == {"slept": 0.5}
    (name,) = head.cluster.names()
    assert name == attempt_name(sleeping.output, 1)
    asked = head.cluster.asked(name)
    assert (asked["entrypoint_num_cpus"], asked["entrypoint_num_gpus"]) == (2, 1)
    assert (tmp_path / "job" / "job.log").read_text() == "sleeping\n"


def test_a_killed_submission_is_submitted_again_under_the_next_name(tmp_path, head, ray_jobs):
    dying = job(tmp_path, seconds=0.3, signals=[9])
    jobs.start_or_attach(SLEEPER, dying, ray_jobs)
    assert jobs.watch(dying.output, lambda _: None).figures == {"slept": 0.3}
    assert head.cluster.names() == [attempt_name(dying.output, number) for number in (1, 2)]
    (attempt,) = attempts_of(dying.output)
    assert (attempt.how, attempt.log) == ("ended with exit code 137", ["sleeping"])


def test_a_flow_attaches_to_a_submission_whose_job_waits_for_resources(tmp_path, head, ray_jobs):
    sleeping = job(tmp_path, seconds=0.5)
    jobs.start_or_attach(SLEEPER, sleeping, ray_jobs)
    before = head.asked_for.count("/api/jobs/")
    jobs.start_or_attach(SLEEPER, sleeping, ray_jobs)
    assert head.asked_for.count("/api/jobs/") == before == 1
    jobs.watch(sleeping.output, lambda _: None)
    assert len(starts(tmp_path)) == 1


def test_a_cancelled_job_saves_and_leaves(tmp_path, head, ray_jobs):
    sleeping = job(tmp_path, seconds=60.0)
    jobs.start_or_attach(SLEEPER, sleeping, ray_jobs)
    wait_until_started(tmp_path)
    jobs.cancel(sleeping.output)
    assert (tmp_path / "job" / "saved").read_text() == "what it had"
    (name,) = head.cluster.names()
    deadline = time.monotonic() + 30
    while (code := head.cluster.code(name)) is None and time.monotonic() < deadline:
        time.sleep(0.05)  # the job has said that it saved its state, and its process has yet to end
    assert code == jobs.TERMINATED


def test_a_folder_made_anew_takes_the_next_name_that_the_cluster_has_not_seen(tmp_path, head, ray_jobs):
    for _ in range(2):
        sleeping = job(tmp_path)
        jobs.start_or_attach(SLEEPER, sleeping, ray_jobs)
        jobs.watch(sleeping.output, lambda _: None)
        (tmp_path / "job").rename(tmp_path / f"old-{len(head.cluster.names())}")
    assert len(head.cluster.names()) == 2


def test_a_cluster_that_does_not_answer_is_told_in_one_line(tmp_path):
    nowhere = RayJobs(address="http://127.0.0.1:9", working_dir=HERE)
    with pytest.raises(RunFailed, match=r"^the Ray cluster's job server failed: .*http://127.0.0.1:9") as error:
        jobs.start_or_attach(SLEEPER, job(tmp_path), nowhere)
    assert "\n" not in str(error.value)
    assert jobs.look(job(tmp_path).output) is None


def test_a_job_whose_cluster_stops_answering_is_watched_to_its_end(tmp_path, head):
    sleeping = job(tmp_path, seconds=2.0)
    with serving(head) as address:
        runtime = RayJobs(address=address, working_dir=HERE, python=sys.executable, poll_seconds=0.2)
        jobs.start_or_attach(SLEEPER, sleeping, runtime)
        wait_until_started(tmp_path)
    assert jobs.watch(sleeping.output, lambda _: None).figures == {"slept": 2.0}


def test_a_cluster_that_wants_a_token_is_told_in_one_line(tmp_path):
    with serving(lambda path, body, headers: (401, "Unauthorized: Missing authentication token")) as address:
        runtime = RayJobs(address=address, working_dir=HERE)
        with pytest.raises(RunFailed, match=r"^the Ray cluster's job server failed: .*(?i:token)") as error:
            jobs.start_or_attach(SLEEPER, job(tmp_path), runtime)
    assert "\n" not in str(error.value)
