"""Jobs that die or freeze are started again by whoever watches them, so many times and not more."""

import signal
import threading
import time

import pytest

from schemas.errors import BadInput, RunFailed
from schemas.runtime import LocalJobs
from tasks import jobs
from tasks.jobs.folder import STARTED, attempts_of, read
from tests.support.sleepers import SLEEPER, job, starts

QUIET = lambda progress: None  # noqa: E731


def test_a_killed_job_is_started_again_and_the_attempt_is_kept(tmp_path):
    said = []
    sleeping = job(tmp_path, seconds=0.5, signals=[signal.SIGKILL])
    jobs.start_or_attach(SLEEPER, sleeping)
    result = jobs.watch(sleeping.output, said.append)
    assert result.figures == {"slept": 0.5}
    assert result.seconds > 0.55, "the time of the killed process is counted"
    assert len(starts(tmp_path)) == 2
    (attempt,) = attempts_of(sleeping.output)
    assert (attempt.number, attempt.how, attempt.log) == (1, "was ended by signal 9", ["sleeping"])
    assert said[-1].note == "(started again once: was ended by signal 9)"


def test_a_job_that_somebody_else_ends_saves_and_goes_on_as_often_as_one_that_dies(tmp_path):
    preempted = job(tmp_path, seconds=0.3, signals=[signal.SIGTERM, signal.SIGTERM])
    jobs.start_or_attach(SLEEPER, preempted, LocalJobs(restarts=1))
    given_up = "sent SIGTERM from outside, and saved its state after it was started again once"
    with pytest.raises(RunFailed, match=given_up):
        jobs.watch(preempted.output, QUIET)
    assert (tmp_path / "job" / "saved").exists()
    assert [attempt.was_stopped for attempt in attempts_of(preempted.output)] == [False, False]
    jobs.start_or_attach(SLEEPER, preempted)
    assert jobs.watch(preempted.output, QUIET).figures == {"slept": 0.3}
    assert len(starts(tmp_path)) == 3


def test_a_dead_job_is_not_started_again_where_somebody_asked_it_to_stop(tmp_path):
    dying = job(tmp_path, seconds=0.3, signals=[signal.SIGKILL])
    jobs.start_or_attach(SLEEPER, dying)
    while jobs.is_running(dying.output):
        time.sleep(0.05)
    jobs.cancel(dying.output)
    with pytest.raises(RunFailed, match="was told to stop, and was ended by signal 9"):
        jobs.watch(dying.output, QUIET)
    assert len(starts(tmp_path)) == 1
    jobs.start_or_attach(SLEEPER, dying)
    assert jobs.watch(dying.output, QUIET).figures == {"slept": 0.3}


def test_a_job_that_keeps_dying_is_given_up_and_can_be_started_anew(tmp_path):
    dying = job(tmp_path, seconds=0.1, signals=[signal.SIGKILL, signal.SIGSEGV])
    jobs.start_or_attach(SLEEPER, dying, LocalJobs(restarts=1))
    given_up = r"signal 11 after it was started again once \(sleeping\); its log is .*run again"
    with pytest.raises(RunFailed, match=given_up):
        jobs.watch(dying.output, QUIET)
    assert [attempt.how for attempt in attempts_of(dying.output)] == ["was ended by signal 9", "was ended by signal 11"]
    assert len(starts(tmp_path)) == 2
    jobs.start_or_attach(SLEEPER, dying, LocalJobs(restarts=0))
    assert jobs.watch(dying.output, QUIET).figures == {"slept": 0.1}
    started = read(dying.output, STARTED, jobs.StartedJob)
    assert started is not None
    assert (started.number, started.restarts) == (3, 0)


def test_a_frozen_job_is_noticed_killed_and_started_again(tmp_path):
    frozen = job(tmp_path, seconds=0.3, signals=[signal.SIGSTOP])
    jobs.start_or_attach(SLEEPER, frozen, LocalJobs(stuck_after=5))
    assert jobs.watch(frozen.output, QUIET).figures == {"slept": 0.3}
    assert attempts_of(frozen.output)[0].how.startswith("was stuck: no heartbeat for ")
    assert len(starts(tmp_path)) >= 2


def test_a_job_that_said_why_it_failed_is_not_started_again(tmp_path):
    failing = job(tmp_path, fails_with="the endpoint http://x cannot be reached")
    jobs.start_or_attach(SLEEPER, failing)
    with pytest.raises(BadInput):
        jobs.watch(failing.output, QUIET)
    assert len(starts(tmp_path)) == 1
    (attempt,) = attempts_of(failing.output)
    assert attempt.how == "ended: the endpoint http://x cannot be reached"
    assert attempt.log[-1] == "error: the endpoint http://x cannot be reached"


def test_a_job_that_lost_a_part_of_itself_is_started_again(tmp_path):
    losing = job(tmp_path, loses=True)
    jobs.start_or_attach(SLEEPER, losing, LocalJobs(restarts=1))
    with pytest.raises(RunFailed, match="a rank was ended by signal 9 after it was started again once"):
        jobs.watch(losing.output, QUIET)
    assert len(starts(tmp_path)) == 2


def test_two_watchers_start_a_dead_job_again_once(tmp_path):
    dying = job(tmp_path, seconds=1.0, signals=[signal.SIGKILL])
    jobs.start_or_attach(SLEEPER, dying)
    watchers = [threading.Thread(target=jobs.watch, args=(dying.output, QUIET)) for _ in range(2)]
    for watcher in watchers:
        watcher.start()
    for watcher in watchers:
        watcher.join(30)
    assert jobs.result_of(dying.output) is not None
    assert len(starts(tmp_path)) == 2
    assert len(attempts_of(dying.output)) == 1
