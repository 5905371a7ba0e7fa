"""A job is a real process: these tests start, attach to, look at and cancel one (tests/support/sleeper.py)."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from schemas.errors import BadInput, RunFailed
from schemas.runtime import LocalJobs
from tasks import jobs
from tasks.jobs.folder import ERROR, JobError, read
from tasks.ledger import storage
from tests.support.sleepers import SLEEPER, job, starts, wait_until_started

FLOW = """
from tasks import jobs
from tests.support.sleeper import SleeperJob
job = SleeperJob.model_validate_json('''{job}''')
jobs.start_or_attach("tests.support.sleeper", job)
print("started", flush=True)
jobs.watch(job.output, lambda progress: None)
"""


RUN_JOB = """
from types import SimpleNamespace
from schemas.runtime import LocalJobs
from tasks.making.context import Making
from tests.support.sleeper import SleeperJob
making = SimpleNamespace(runtime=SimpleNamespace(jobs=LocalJobs()), on_progress=print)
Making.run_job(making, "tests.support.sleeper", SleeperJob.model_validate_json('''{job}'''))
"""


def killed_flow(sleeping):
    """Start the job from a flow of another process, and kill that flow once it watches."""
    code = FLOW.format(job=sleeping.model_dump_json())
    flow = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": "."})
    assert flow.stdout is not None
    flow.stdout.readline()
    process = wait_until_started(Path(sleeping.output).parent)
    flow.send_signal(signal.SIGKILL)
    flow.wait()
    return process


def test_a_job_gives_its_figures_and_is_never_run_twice(tmp_path):
    said = []
    for _ in range(2):
        jobs.start_or_attach(SLEEPER, job(tmp_path))
        assert jobs.watch(job(tmp_path).output, said.append).figures == {"slept": 0.0}
    assert len(starts(tmp_path)) == 1
    assert said[-1].done == said[-1].total


def test_a_job_outlives_its_flow_and_the_next_flow_attaches(tmp_path):
    sleeping = job(tmp_path, seconds=2.0)
    process = killed_flow(sleeping)
    assert jobs.is_running(sleeping.output)
    jobs.start_or_attach(SLEEPER, sleeping)
    assert jobs.watch(sleeping.output, lambda _: None).figures == {"slept": 2.0}
    assert starts(tmp_path) == [process]


def test_a_job_whose_flow_is_killed_while_it_starts_is_either_noted_or_never_begins(tmp_path):
    code = (
        "import os; from pathlib import Path; from tasks.jobs import local, starting\n"
        "from tests.support.sleepers import SLEEPER, job\n"
        "class Killed(local.LocalBackend):\n"
        "    def start(self, module, output, number, lock, note):\n"
        "        super().start(module, output, number, lock, lambda handle: os.kill(os.getpid(), 9))\n"
        "starting.backend_of = lambda runtime: Killed()\n"
        f"starting.start_or_attach(SLEEPER, job(Path({str(tmp_path)!r}), seconds=60.0))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    sleeping = job(tmp_path)
    jobs.start_or_attach(SLEEPER, sleeping)
    assert jobs.watch(sleeping.output, lambda _: None).figures == {"slept": 0.0}
    assert len(starts(tmp_path)) == 1


def test_a_flow_that_attached_starts_the_job_again_when_it_is_killed(tmp_path):
    sleeping = job(tmp_path, seconds=1.0)
    process = killed_flow(sleeping)
    jobs.start_or_attach(SLEEPER, sleeping)
    os.kill(process, signal.SIGKILL)
    assert jobs.watch(sleeping.output, lambda _: None).figures == {"slept": 1.0}
    assert len(starts(tmp_path)) == 2


def test_what_a_job_says_of_its_failure_is_what_the_flow_says(tmp_path):
    failing = job(tmp_path, fails_with="the endpoint http://x cannot be reached")
    jobs.start_or_attach(SLEEPER, failing)
    with pytest.raises(BadInput, match=r"^the endpoint http://x cannot be reached$"):
        jobs.watch(failing.output, lambda _: None)


def test_a_cancelled_job_saves_and_leaves_and_is_not_started_again(tmp_path):
    sleeping = job(tmp_path, seconds=60.0)
    jobs.start_or_attach(SLEEPER, sleeping)
    wait_until_started(tmp_path)
    jobs.cancel(sleeping.output)
    with pytest.raises(RunFailed, match=r"asked to stop and saved its state; run again"):
        jobs.watch(sleeping.output, lambda _: None)
    assert not jobs.is_running(sleeping.output)
    assert storage.read_bytes(storage.join(sleeping.output, "saved")) == b"what it had"
    assert Path(sleeping.output, "result.json").exists() is False
    again = job(tmp_path)
    jobs.start_or_attach(SLEEPER, again)
    assert jobs.watch(again.output, lambda _: None).figures == {"slept": 0.0}


def test_a_job_that_was_asked_to_stop_before_it_had_begun_does_not_begin(tmp_path):
    sleeping = job(tmp_path, seconds=5.0)
    jobs.start_or_attach(SLEEPER, sleeping)
    assert not (tmp_path / "job" / "heartbeat").exists()
    (tmp_path / "job" / "stop").touch()
    with pytest.raises(RunFailed, match="asked to stop"):
        jobs.watch(sleeping.output, lambda _: None)
    assert jobs.result_of(sleeping.output) is None


def test_a_program_started_by_hand_passes_over_what_the_one_before_was_asked(tmp_path):
    sleeping = job(tmp_path)
    (tmp_path / "job").mkdir()
    (tmp_path / "config.json").write_text(sleeping.model_dump_json())
    for name in ("heartbeat", "stop"):
        (tmp_path / "job" / name).touch()
    subprocess.run([sys.executable, "-m", SLEEPER, str(tmp_path / "config.json")], check=True)
    assert jobs.result_of(sleeping.output) is not None


@pytest.mark.parametrize(("patience", "saved"), [(60.0, True), (0.5, False)])
def test_a_job_is_said_to_have_saved_its_state_only_where_it_did(tmp_path, capsys, patience, saved):
    sleeping = job(tmp_path, seconds=60.0, saving=2.0 if saved else 30.0)
    jobs.start_or_attach(SLEEPER, sleeping, LocalJobs(stop_patience=patience))
    wait_until_started(tmp_path)
    (tmp_path / "job" / "checkpoints" / "step-00000040").mkdir(parents=True)
    jobs.cancel(sleeping.output)
    assert not jobs.is_running(sleeping.output)
    assert (tmp_path / "job" / "saved").exists() == saved
    waits, *told = capsys.readouterr().err.splitlines()
    assert f"is saving its state, {patience:.0f} seconds at most; a second Ctrl-C" in waits
    error = read(sleeping.output, ERROR, JobError)
    assert error is not None
    if saved:
        assert (error.exit_code, told) == (jobs.TERMINATED, [])
    else:
        assert told == [error.message]
        assert error.message.endswith("seconds were not enough; the next run continues from checkpoints/step-00000040")
    with pytest.raises(RunFailed, match="saved its state" if saved else "was asked to stop and was killed"):
        jobs.watch(sleeping.output, lambda _: None)


def test_a_second_ctrl_c_leaves_the_job_alone_with_its_saving(tmp_path):
    sleeping = job(tmp_path, seconds=60.0, saving=4.0)
    code = RUN_JOB.format(job=sleeping.model_dump_json())
    command = [sys.executable, "-c", code]
    flow = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": "."})
    wait_until_started(tmp_path)
    time.sleep(0.5)
    flow.send_signal(signal.SIGINT)
    assert flow.stderr is not None
    assert "is saving its state, 600 seconds at most; a second Ctrl-C ends this" in flow.stderr.readline()
    flow.send_signal(signal.SIGINT)
    assert flow.wait(3) != 0
    assert jobs.is_running(sleeping.output)
    while jobs.is_running(sleeping.output):
        time.sleep(0.1)
    assert (tmp_path / "job" / "saved").exists()
    with pytest.raises(RunFailed, match="was asked to stop and saved its state"):
        jobs.watch(sleeping.output, lambda _: None)


def test_a_second_process_leaves_the_folder_of_a_running_job_alone(tmp_path):
    sleeping = job(tmp_path, seconds=60.0)
    jobs.start_or_attach(SLEEPER, sleeping)
    process = wait_until_started(tmp_path)
    code = (
        "import sys; from tasks.jobs import program; program._LOCK_SECONDS = 0.2\n"
        f"sys.argv = ['sleeper', {str(tmp_path / 'job' / 'job-config.json')!r}]\n"
        "from tests.support.sleeper import SleeperJob, sleep; program.main(SleeperJob, sleep)"
    )
    second = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert second.returncode == 2
    assert "another process works on the job" in second.stderr
    assert jobs.is_running(sleeping.output)
    jobs.cancel(sleeping.output)
    assert starts(tmp_path) == [process]


def test_a_job_can_be_looked_at_while_it_runs(tmp_path):
    sleeping = job(tmp_path, seconds=60.0)
    assert jobs.look(sleeping.output) is None
    jobs.start_or_attach(SLEEPER, sleeping)
    wait_until_started(tmp_path)
    (tmp_path / "job" / "metrics.jsonl").write_text('{"step": 1}\n{"step": 2}\n{"ste')
    deadline = time.monotonic() + 60
    while (view := jobs.look(sleeping.output)) is None or view.progress is None or not view.progress.per_second:
        assert time.monotonic() < deadline, "it tells of no progress"
        time.sleep(0.1)
    jobs.cancel(sleeping.output)
    assert (view.state, view.log, view.metrics) == ("running", ["sleeping"], {"step": 2})
    assert view.progress.per_second <= 11
    assert view.heartbeat_age is not None
    assert re.fullmatch(r"\d+ of 601 naps, [\d.]+ per second, [\d,]+ s left, heartbeat \d+ s ago", str(view)), str(view)
    view = jobs.look(sleeping.output)
    assert view is not None
    assert view.state == "ended"


def test_a_job_that_ends_well_is_at_its_end(tmp_path):
    """Whatever it reported last: reports are throttled."""
    sleeping = job(tmp_path, seconds=0.3, reports=2)
    jobs.start_or_attach(SLEEPER, sleeping)
    seen = []
    jobs.watch(sleeping.output, seen.append)
    assert (seen[-1].done, seen[-1].total) == (4, 4)
    view = jobs.look(sleeping.output)
    assert view is not None and view.progress is not None
    assert (view.state, view.progress.done) == ("finished", 4)
