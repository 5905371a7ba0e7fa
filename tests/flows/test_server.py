"""A real Prefect server: the run and what its stages show are on its dashboard."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Environment of a client of a server of its own, which is stopped at the end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "PREFECT_HOME": str(tmp_path_factory.mktemp("prefect")),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }
    command = [BIN / "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 180
        while not _healthy(environment["PREFECT_API_URL"]):
            assert process.poll() is None, "the server ended"
            assert time.monotonic() < deadline, "the server did not come up"
            time.sleep(0.5)
        yield environment
    finally:
        process.terminate()
        process.wait(timeout=60)


def _healthy(url):
    try:
        return httpx.get(f"{url}/health", timeout=2).is_success
    except httpx.HTTPError:
        return False


def test_a_run_is_on_the_dashboard_with_a_table_for_every_stage_and_progress(server, tmp_path):
    config = tmp_path / "config.yaml"
    parent = ROOT / "tests" / "chaos" / "tiny.yaml"
    config.write_text(f"extends: {parent}\nruntime: {{root: {tmp_path / 'root'}, workers: 1}}\n")
    run = subprocess.run([BIN / "masksearch", "corpus", config], cwd=ROOT, env=server, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    url = server["PREFECT_API_URL"]
    (flow_run,) = httpx.post(f"{url}/flow_runs/filter", json={}).json()
    assert flow_run["state_type"] == "COMPLETED"
    tasks = {row["name"] for row in httpx.post(f"{url}/task_runs/filter", json={}).json()}
    assert {"dump/v1", "pages/v1", "passages/v1", "index/v1"} <= tasks
    artifacts = httpx.post(f"{url}/artifacts/filter", json={}).json()
    kinds = {(artifact["type"], artifact["key"].removeprefix("smallworld-20260101-")) for artifact in artifacts}
    assert ("table", "passages-v1") in kinds
    assert ("progress", "passages-v1-progress") in kinds
    assert ("markdown", "scorecard") in kinds
    assert flow_run["name"].endswith("smallworld-20260101 corpus")


def test_a_worker_runs_the_deployment_of_prefect_yaml(server, tmp_path):
    def prefect(*words, **settings):
        command = [BIN / "prefect", "--no-prompt", *words]
        return subprocess.run(command, cwd=ROOT, env=server, capture_output=True, text=True, check=True, **settings)

    config = tmp_path / "config.yaml"
    parent = ROOT / "tests" / "chaos" / "tiny.yaml"
    config.write_text(f"extends: {parent}\nruntime: {{root: {tmp_path / 'root'}, workers: 1}}\n")
    prefect("work-pool", "create", "masksearch", "--type", "process")
    prefect("deploy", "--name", "sample")
    worker = subprocess.Popen(
        [BIN / "prefect", "worker", "start", "--pool", "masksearch"],
        cwd=tmp_path,
        env=server,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        words = ("--param", f"config={config}", "--param", "until=corpus", "--watch", "--watch-timeout", "300")
        prefect("deployment", "run", "masksearch/sample", *words, timeout=330)
    finally:
        worker.terminate()
        worker.wait(timeout=60)
    assert list((tmp_path / "root").glob("*/index/v1/stage.json"))
    assert (tmp_path / "root" / "report.html").exists()
