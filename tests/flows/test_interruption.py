"""Whatever ends a run on purpose ends its job as Ctrl-C does: the job saves its state, and the next run goes on."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import httpx
import pytest

from tasks import jobs
from tasks.ledger.leases import holder_of
from tests.support.prefect_server import ROOT, prefect, running_server, running_worker
from tests.support.sleepers import PARTS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SNAPSHOT = "smallworld-20260101"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running_server(tmp_path_factory.mktemp("prefect")) as environment:
        prefect(environment, "work-pool", "create", "masksearch", "--type", "process")
        entrypoint = "tests/support/sleeping_flow.py:pipeline"
        prefect(environment, "deploy", entrypoint, "--name", "sleeping", "--pool", "masksearch")
        yield environment


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "config.yaml"
    parent = ROOT / "tests" / "chaos" / "tiny.yaml"
    path.write_text(f"extends: {parent}\nruntime: {{root: {tmp_path / 'root'}, workers: 1}}\n")
    return path


@pytest.fixture
def job(tmp_path):
    return tmp_path / "root" / SNAPSHOT / "models" / "sleeper"


def wait_for(condition, what, seconds=120):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, what
        time.sleep(0.2)
    return found


def command(*words):
    return [sys.executable, "-m", "tests.support.sleeping_flow", *map(str, words)]


@contextmanager
def running(environment, config, **more):
    process = subprocess.Popen(
        command("run", config),
        cwd=ROOT,
        env={**environment, **more},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def begun(job):
    wait_for((job / "starts").exists, "the job did not begin")


def run_of(server, config):
    """The newest flow run of this config."""
    runs = httpx.post(f"{server['PREFECT_API_URL']}/flow_runs/filter", json={"sort": "START_TIME_DESC"}).json()
    return next((run for run in runs if run["parameters"].get("config") == str(config)), None)


def set_state(server, run, kind, name, **details):
    state = {"type": kind, "name": name, "state_details": details}
    answer = httpx.post(f"{server['PREFECT_API_URL']}/flow_runs/{run['id']}/set_state", json={"state": state})
    assert answer.json()["status"] == "ACCEPT", answer.json()


def goes_on(environment, config, job):
    """The next run is not ended by the request of the one before, and finishes the work."""
    again = subprocess.run(command("run", config), cwd=ROOT, env=environment, capture_output=True, text=True)
    assert "✓ models/sleeper" in again.stdout, again.stdout + again.stderr
    assert len((job / "starts").read_text().split()) == 2


def saved_and_stopped(job):
    wait_for(lambda: not jobs.is_running(str(job)), "the job runs on", 30)
    assert (job / "saved").exists()
    assert not (job / "result.json").exists()


def test_a_run_at_a_terminal_is_cancelled_on_its_server(server, config, job):
    with running(server, config) as run:
        begun(job)
        set_state(server, run_of(server, config), "CANCELLING", "Cancelling")
        _, said = run.communicate(timeout=60)
        assert run.returncode == 130
        assert said.splitlines()[-1].startswith("stopped; the run was cancelled on its Prefect server;")
    saved_and_stopped(job)
    assert run_of(server, config)["state_type"] == "CANCELLED"
    goes_on(server, config, job)


@pytest.mark.parametrize("stop", ["job", "ctrl-c"])
def test_a_run_that_somebody_stops_here_is_cancelled_on_its_server(server, config, job, stop, tmp_path):
    with running(server, config) as run:
        begun(job)
        if stop == "job":
            stopped = masksearch("stop", "--root", tmp_path / "root", env=server)
            assert (stopped.returncode, stopped.stderr) == (0, "")
            assert f"✓ {SNAPSHOT} models/sleeper: saved its state" in stopped.stdout
        else:
            run.send_signal(signal.SIGINT)
        _, said = run.communicate(timeout=60)
        assert run.returncode == 130
        assert said.splitlines()[-1].startswith("stopped; ")
        assert "run again to continue" in said.splitlines()[-1]
    saved_and_stopped(job)
    run = run_of(server, config)
    assert run["state_type"] == "CANCELLED"
    wait_for(lambda: states_of_tasks(server, run) != ["RUNNING"], "the task runs on")
    if stop == "job":
        assert states_of_tasks(server, run) == ["CANCELLED"]
    goes_on(server, config, job)


def states_of_tasks(server, run):
    wanted = {"flow_runs": {"id": {"any_": [run["id"]]}}}
    return [
        task["state_type"] for task in httpx.post(f"{server['PREFECT_API_URL']}/task_runs/filter", json=wanted).json()
    ]


def masksearch(*words, env=None):
    return subprocess.run(command(*words), cwd=ROOT, env=env, capture_output=True, text=True, check=False)


def test_sigterm_to_a_run_is_one_line_and_its_job_is_saved(config, job):
    environment = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
    with running(environment, config) as run:
        begun(job)
        run.terminate()
        _, said = run.communicate(timeout=60)
        assert run.returncode == 143
        assert said.splitlines()[-1] == "stopped; finished work is kept, run again to continue"
        assert "Traceback" not in said
    saved_and_stopped(job)
    goes_on(environment, config, job)


def parts_of(tmp_path):
    return list((tmp_path / "root" / SNAPSHOT / "pages" / "v1").glob("part-*.json"))


@pytest.mark.parametrize("stop", ["cancel", "stop"])
def test_a_run_without_a_job_ends_as_well_and_keeps_its_parts(server, config, tmp_path, stop):
    with running(server, config, SLEEPING_STAGE="parts") as run:
        wait_for(lambda: parts_of(tmp_path), "no part was made")
        if stop == "cancel":
            set_state(server, run_of(server, config), "CANCELLING", "Cancelling")
        else:
            stopped = masksearch("stop", "pages", "--root", tmp_path / "root", env=server)
            assert stopped.returncode == 0, stopped.stderr
            assert "the finished parts are kept" in stopped.stdout
        _, said = run.communicate(timeout=60)
        assert run.returncode == 130, said
    assert 0 < len(parts_of(tmp_path)) < PARTS
    assert run_of(server, config)["state_type"] == "CANCELLED"
    assert holder_of(str(tmp_path / "root" / SNAPSHOT / "pages" / "v1")) is None, "the lease was given back"
    again = subprocess.run(
        command("run", config),
        cwd=ROOT,
        env={**server, "SLEEPING_STAGE": "parts"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "✓ pages/v1" in again.stdout, again.stdout + again.stderr
    assert len(parts_of(tmp_path)) == PARTS


def test_a_run_of_a_worker_is_cancelled_and_suspended_and_resumed(server, config, job, tmp_path):
    url = server["PREFECT_API_URL"]
    with running_worker(server, tmp_path):
        words = ("deployment", "run", "masksearch/sleeping", "--param", f"config={config}")
        prefect(server, *words)
        begun(job)
        run = run_of(server, config)
        set_state(server, run, "PAUSED", "Suspended", pause_reschedule=True, pause_timeout="2099-01-01T00:00:00Z")
        saved_and_stopped(job)
        time.sleep(5)
        assert run_of(server, config)["state_name"] == "Suspended"
        assert httpx.post(f"{url}/flow_runs/{run['id']}/resume").json()["status"] == "ACCEPT"
        wait_for(lambda: run_of(server, config)["state_type"] == "COMPLETED", "the resumed run did not go on")
        assert len((job / "starts").read_text().split()) == 2


def test_a_run_of_a_worker_that_is_cancelled_saves_its_job(server, config, job, tmp_path):
    with running_worker(server, tmp_path):
        prefect(server, "deployment", "run", "masksearch/sleeping", "--param", f"config={config}")
        begun(job)
        set_state(server, run_of(server, config), "CANCELLING", "Cancelling")
        saved_and_stopped(job)
        wait_for(lambda: run_of(server, config)["state_type"] == "CANCELLED", "it was not cancelled")
    goes_on(server, config, job)


def test_runs_with_wrong_parameters_fail_with_the_reason(server, config, tmp_path):
    url = server["PREFECT_API_URL"]
    expected = {
        "config=nowhere.yaml": "nowhere.yaml: no such config file",
        "snapshot=Wikipedia of May": "snapshot",
        "until=everything": "'everything' is not a group of stages",
    }
    ended = {"flow_runs": {"state": {"type": {"any_": ["FAILED", "CRASHED"]}}}}
    before = len(httpx.post(f"{url}/flow_runs/filter", json=ended).json())
    with running_worker(server, tmp_path):
        for wrong in expected:
            words = ("--param", f"config={config}", "--param", wrong)
            prefect(server, "deployment", "run", "masksearch/sleeping", *words)
        all_ended = lambda: len(httpx.post(f"{url}/flow_runs/filter", json=ended).json()) == before + len(expected)  # noqa: E731
        wait_for(all_ended, "they did not end")
    runs = httpx.post(f"{url}/flow_runs/filter", json={**ended, "sort": "START_TIME_DESC"}).json()[: len(expected)]
    for run in runs:
        assert run["state_type"] == "FAILED", run["state"]
        assert "\n" not in run["state"]["message"]
    said = [run["state"]["message"] for run in runs]
    for words in expected.values():
        assert any(words in message for message in said), said
