"""Jobs that die or freeze are started again by whoever watches them, so many times and not more."""

import os
import signal
import socket
import subprocess
import threading
import time

import psutil
import pytest

from schemas.errors import BadInput, RunFailed
from schemas.runtime import LocalJobs
from tasks import jobs
from tasks.jobs.folder import STARTED, LocalProcess, attempts_of, read, write
from tasks.jobs.local import LocalBackend
from tests.support.sleepers import SLEEPER, job, starts, wait_until_started

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
    assert said[-1].note == "(restarted once: was ended by signal 9)"


def test_a_job_that_somebody_else_ends_saves_and_goes_on_as_often_as_one_that_dies(tmp_path):
    preempted = job(tmp_path, seconds=0.3, signals=[signal.SIGTERM, signal.SIGTERM])
    jobs.start_or_attach(SLEEPER, preempted, LocalJobs(restarts=1))
    given_up = "received SIGTERM from outside, and saved its state after it was restarted once"
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
    with pytest.raises(RunFailed, match="was asked to stop, and was ended by signal 9"):
        jobs.watch(dying.output, QUIET)
    assert len(starts(tmp_path)) == 1
    jobs.start_or_attach(SLEEPER, dying)
    assert jobs.watch(dying.output, QUIET).figures == {"slept": 0.3}


def test_a_job_that_keeps_dying_is_given_up_and_can_be_started_anew(tmp_path):
    dying = job(tmp_path, seconds=0.1, signals=[signal.SIGKILL, signal.SIGSEGV])
    jobs.start_or_attach(SLEEPER, dying, LocalJobs(restarts=1))
    given_up = r"signal 11 after it was restarted once \(sleeping\); its log is .*run again"
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


STALLED = LocalJobs(stalled_minutes=0.15, restarts=5)
"""Minutes that a slow machine starts an attempt in, or nearly always does."""


def test_a_job_without_progress_is_killed_and_started_again_though_its_heart_beats(tmp_path):
    hanging = job(tmp_path, seconds=0.3, hangs=300.0)
    jobs.start_or_attach(SLEEPER, hanging, STALLED)
    assert jobs.watch(hanging.output, QUIET).figures == {"slept": 0.3}
    first = attempts_of(hanging.output)[0]
    assert first.how == "was stuck: no progress for 0.15 minutes (runtime.jobs.stalled_minutes)"
    assert not first.was_stopped


def test_a_job_whose_metrics_grow_gets_on(tmp_path):
    training = job(tmp_path, hangs=15.0)
    jobs.start_or_attach(SLEEPER, training, STALLED)
    ended = threading.Event()

    def train():
        while not ended.wait(1.0):
            with (tmp_path / "job" / "metrics.jsonl").open("a") as file:
                file.write('{"step": 1}\n')

    trainer = threading.Thread(target=train)
    trainer.start()
    jobs.watch(training.output, QUIET)
    ended.set()
    trainer.join()
    assert len(starts(tmp_path)) == 1


def of_another_machine(output):
    """As if the job had been started by a flow on another machine, which sees the same folder."""
    started = read(output, STARTED, jobs.StartedJob)
    assert started is not None
    process = LocalProcess.of(started.handle)
    assert process.host == socket.gethostname()
    write(output, STARTED, started.model_copy(update={"handle": str(process._replace(host="elsewhere"))}))
    return process.number


def test_a_frozen_job_of_another_machine_is_asked_to_stop_and_nothing_here_is_killed(tmp_path):
    frozen = job(tmp_path, seconds=60.0, signals=[signal.SIGSTOP])
    jobs.start_or_attach(SLEEPER, frozen, LocalJobs(stuck_after=5))
    process = psutil.Process(wait_until_started(tmp_path))
    number = of_another_machine(frozen.output)
    with pytest.raises(RunFailed, match=rf"no heartbeat for .* runs on elsewhere .*: kill -9 -- -{number}; run again"):
        jobs.watch(frozen.output, QUIET)
    assert process.status() == psutil.STATUS_STOPPED
    assert (tmp_path / "job" / "stop").exists()
    process.kill()


def test_a_job_of_another_machine_is_cancelled_by_the_request_alone(tmp_path, capsys):
    sleeping = job(tmp_path, seconds=60.0, saving=3.0)
    jobs.start_or_attach(SLEEPER, sleeping)
    wait_until_started(tmp_path)
    of_another_machine(sleeping.output)
    jobs.cancel(sleeping.output, patience=0.5)
    assert "was asked to stop, and could not be killed: its process" in capsys.readouterr().err
    assert jobs.is_running(sleeping.output)
    jobs.cancel(sleeping.output)
    with pytest.raises(RunFailed, match="asked to stop and saved its state"):
        jobs.watch(sleeping.output, QUIET)


def test_a_job_of_another_machine_whose_lock_is_not_seen_here_lives_as_long_as_it_beats(tmp_path):
    sleeping = job(tmp_path)
    heartbeat = tmp_path / "job" / "heartbeat"
    heartbeat.parent.mkdir()
    there = jobs.StartedJob(module=SLEEPER, handle="1@elsewhere@1.00", started=time.time() - 3600)
    write(sleeping.output, STARTED, there)
    heartbeat.touch()
    jobs.start_or_attach(SLEEPER, sleeping)
    assert jobs.is_running(sleeping.output)
    assert starts(tmp_path) == []
    os.utime(heartbeat, (time.time() - 61, time.time() - 61))
    jobs.start_or_attach(SLEEPER, sleeping)
    assert jobs.watch(sleeping.output, QUIET).figures == {"slept": 0.0}
    assert attempts_of(sleeping.output)[0].how.startswith("has had no heartbeat on its machine for 61 seconds")


def test_a_process_that_was_given_a_job_s_number_since_is_not_killed():
    other = subprocess.Popen(["sleep", "60"], start_new_session=True)
    LocalBackend().kill(str(LocalProcess(other.pid, socket.gethostname(), born=time.time() - 3600)))
    assert other.poll() is None
    LocalBackend().kill(str(other.pid))
    assert other.wait(10) == -signal.SIGKILL


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
    with pytest.raises(RunFailed, match="a rank was ended by signal 9 after it was restarted once"):
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
