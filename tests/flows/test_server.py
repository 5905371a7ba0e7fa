"""A real Prefect server: the run and what its stages show are on its dashboard."""

import subprocess
import sys

import httpx
import pytest

from tests.support.prefect_server import BIN, ROOT, prefect, running_server, running_worker

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running_server(tmp_path_factory.mktemp("prefect")) as environment:
        yield environment


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
    latest = httpx.post(f"{url}/artifacts/latest/filter", json={}).json()
    assert {artifact["data"] for artifact in latest if artifact["type"] == "progress"} == {100.0}
    assert flow_run["name"].endswith("smallworld-20260101 corpus")


def test_a_worker_runs_the_deployment_of_prefect_yaml(server, tmp_path):
    config = tmp_path / "config.yaml"
    parent = ROOT / "tests" / "chaos" / "tiny.yaml"
    config.write_text(f"extends: {parent}\nruntime: {{root: {tmp_path / 'root'}, workers: 1}}\n")
    prefect(server, "work-pool", "create", "masksearch", "--type", "process")
    prefect(server, "deploy", "--name", "sample")
    for _ in range(2):
        subprocess.run([sys.executable, "-m", "deploy.automations"], cwd=ROOT, env=server, check=True)
    with running_worker(server, tmp_path):
        words = ("--param", f"config={config}", "--param", "until=corpus", "--watch", "--watch-timeout", "300")
        prefect(server, "deployment", "run", "masksearch/sample", *words, timeout=330)
    assert list((tmp_path / "root").glob("*/index/v1/stage.json"))
    assert (tmp_path / "root" / "report.html").exists()
    (automation,) = httpx.post(f"{server['PREFECT_API_URL']}/automations/filter", json={}).json()
    assert automation["enabled"]
    assert [action["state"] for action in automation["actions"]] == ["CRASHED"]
