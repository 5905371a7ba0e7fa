"""`masksearch doctor`: red for what cannot run, and not for what no unfinished stage needs."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from flows.doctor import doctor
from schemas.config import read_config
from schemas.errors import BadInput
from tasks.graph import stages_of
from tests.support.http_server import serving

TINY = Path(__file__).parents[1] / "chaos" / "tiny.yaml"
NOBODY = "http://127.0.0.1:9"


@pytest.fixture
def told(tmp_path, monkeypatch):
    """What the doctor says of the smallest config with this runtime and these sections."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)

    def of(runtime="", sections="", root=None):
        config = tmp_path / "config.yaml"
        config.write_text(f"extends: {TINY}\nruntime: {{root: {tmp_path}/root, {runtime}}}\n{sections}")
        said = io.StringIO()
        try:
            doctor(str(config), None, root, None, Console(file=said, width=1000))
        except BadInput as error:
            return [*said.getvalue().splitlines(), f"refused: {error}"]
        return said.getvalue().splitlines()

    return of


def failed(lines):
    return [line for line in lines if line.startswith("✗")]


def test_a_config_that_can_run_is_green(told):
    assert failed(told()) == []


@pytest.mark.parametrize(
    ("runtime", "sections", "said"),
    [
        (f"jobs: {{backend: ray, address: '{NOBODY}', working_dir: /w}}", "", "job server"),
        (f"jobs: {{backend: ray, address: '{NOBODY}', working_dir: /w}}", "", "working_dir /w: no checkout"),
        (f"engine: {{kind: remote, urls: ['{NOBODY}']}}", "", "runtime.engine.urls http://127.0.0.1:9: cannot be"),
        (f"placement: {{layout: split, search_urls: ['{NOBODY}']}}", "", "no search service answers"),
        (
            f"teacher_endpoint: {{url: '{NOBODY}'}}",
            "teacher: {kind: multi_agent, model: m}",
            "runtime.teacher_endpoint.url http://127.0.0.1:9: cannot be reached",
        ),
        ("ranks: 640", "", "training asks for 640"),
        ("", "model: {path: /no/such}", "model.path /no/such: no such folder"),
        ("", "model: {heads: 5}", "model.heads 5"),
        ("", "model: {hidden: 8192, layers: 800, heads: 64, intermediate: 28672}", "does not fit: a rank takes"),
    ],
)
def test_what_cannot_run_is_red_and_refused(told, runtime, sections, said):
    lines = told(runtime, sections)
    assert any(said in line for line in failed(lines)), lines
    assert said in lines[-1]


def test_a_root_that_is_no_file_system_is_red(told):
    assert any("jobs, which need a file system" in line for line in failed(told(root="memory://doctor")))


def test_a_ray_cluster_that_does_not_answer_is_red(told, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:9")
    assert any("(RAY_ADDRESS)" in line for line in failed(told()))


KUBERAY = "jobs: {backend: kuberay, working_dir: %s, image: i, volume_claim: c, mount: /w}, ranks: 640"


def test_a_cluster_s_jobs_need_kubectl_and_none_of_this_machine_s_processors(told, tmp_path, monkeypatch):
    runtime = KUBERAY % TINY.parents[2]
    monkeypatch.setenv("PATH", str(tmp_path))
    assert ["kubectl" in line for line in failed(told(runtime))] == [True]
    (tmp_path / "kubectl").write_text("#!/bin/sh\n")
    (tmp_path / "kubectl").chmod(0o755)
    assert failed(told(runtime)) == []


def test_an_endpoint_that_answers_is_green(told):
    with serving(lambda *_: (200, {"data": [{"id": "m"}]})) as url:
        assert failed(told(f"teacher_endpoint: {{url: '{url}/v1'}}", "teacher: {kind: multi_agent}")) == []


def test_what_only_finished_stages_read_may_be_gone(told, monkeypatch):
    stages = [str(stage) for stage in stages_of(read_config(TINY))]
    monkeypatch.setattr("tasks.graph.is_finished", lambda _, stage: str(stage) in stages)
    assert failed(told("ranks: 640", "model: {path: /gone}")) == []
