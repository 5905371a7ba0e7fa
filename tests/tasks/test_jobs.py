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
from tasks import jobs, storage
from tests.support.sleepers import SLEEPER, job, starts, wait_until_started

FLOW = """
from tasks import jobs
from tests.support.sleeper import SleeperJob
job = SleeperJob.model_validate_json('''{job}''')
jobs.start_or_attach("tests.support.sleeper", job)
print("started", flush=True)
jobs.watch(job.output, lambda progress: None)
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


@pytest.mark.parametrize("way", [jobs.cancel, lambda output: os.kill(starts(Path(output).parent)[-1], signal.SIGTERM)])
def test_a_cancelled_or_preempted_job_saves_and_leaves_and_is_not_started_again(tmp_path, way):
    sleeping = job(tmp_path, seconds=60.0)
    jobs.start_or_attach(SLEEPER, sleeping)
    wait_until_started(tmp_path)
    way(sleeping.output)
    with pytest.raises(RunFailed, match=r"told to stop and saved its state .*run again"):
        jobs.watch(sleeping.output, lambda _: None)
    assert not jobs.is_running(sleeping.output)
    assert storage.read_bytes(storage.join(sleeping.output, "saved")) == b"what it had"
    assert Path(sleeping.output, "result.json").exists() is False
    again = job(tmp_path)
    jobs.start_or_attach(SLEEPER, again)
    assert jobs.watch(again.output, lambda _: None).figures == {"slept": 0.0}


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
    assert re.fullmatch(r"\d+ of 601 naps, [\d.]+ a second, [\d,]+ s left, heartbeat \d+ s ago", str(view)), str(view)
    view = jobs.look(sleeping.output)
    assert view is not None
    assert view.state == "ended"
