"""A worker and its flow are killed: the server finds out by itself, and the deployment runs again."""

import subprocess
import sys
import time

import pytest

from tests.support.prefect_server import (
    ROOT,
    kill_with_children,
    prefect,
    running_server,
    running_worker,
    states_of_runs,
)

pytestmark = [pytest.mark.slow, pytest.mark.chaos, pytest.mark.timeout(900)]


def wait_for(condition, what):
    deadline = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.5)


def test_a_run_that_falls_silent_has_crashed_and_the_next_one_ends_the_work(tmp_path):
    config = tmp_path / "config.yaml"
    parent = ROOT / "tests" / "chaos" / "tiny.yaml"
    config.write_text(f"extends: {parent}\nruntime: {{root: {tmp_path / 'root'}, workers: 1}}\n")
    words = ("--param", f"config={config}", "--param", "until=corpus")
    with running_server(tmp_path / "prefect") as server:
        prefect(server, "work-pool", "create", "masksearch", "--type", "process")
        prefect(server, "deploy", "--name", "sample")
        subprocess.run([sys.executable, "-m", "deploy.automations"], cwd=ROOT, env=server, check=True)
        with running_worker(server, tmp_path) as worker:
            prefect(server, "deployment", "run", "masksearch/sample", *words)
            wait_for(lambda: (tmp_path / "root").exists(), "the run did not begin")
            kill_with_children(worker)
        assert states_of_runs(server) == ["RUNNING"]
        wait_for(lambda: states_of_runs(server) == ["CRASHED"], "nobody found out that the run is gone")
        with running_worker(server, tmp_path):
            prefect(server, "deployment", "run", "masksearch/sample", *words, "--watch", timeout=330)
        assert sorted(states_of_runs(server)) == ["COMPLETED", "CRASHED"]
    assert list((tmp_path / "root").glob("*/index/v1/stage.json"))
