"""`masksearch doctor`: red for a config that cannot run, except for needs of finished stages."""

import io
import shutil
from collections import namedtuple
from pathlib import Path

import pytest
from rich.console import Console

from flows.doctor import doctor
from schemas.config import read_config
from schemas.errors import BadInput
from tasks.capacity.devices import Machine
from tasks.pipeline.graph import stages_of
from tests.support.http_server import serving
from tests.support.published_model import save_published_model

TINY = Path(__file__).parents[1] / "chaos" / "tiny.yaml"
DiskUsage = namedtuple("DiskUsage", "total used free")
NOBODY = "http://127.0.0.1:9"


@pytest.fixture
def checked(tmp_path, monkeypatch):
    """Lines that the doctor prints for the smallest config with this runtime and these sections."""
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


def test_a_config_that_can_run_is_green(checked):
    assert failed(checked()) == []


@pytest.mark.parametrize(
    ("runtime", "sections", "said"),
    [
        (f"jobs: {{backend: ray, address: '{NOBODY}', working_dir: /w}}", "", "job server"),
        (f"jobs: {{backend: ray, address: '{NOBODY}', working_dir: /w}}", "", "working_dir /w: not a checkout"),
        (f"engine: {{kind: remote, urls: ['{NOBODY}']}}", "", "runtime.engine.urls http://127.0.0.1:9: cannot be"),
        (f"placement: {{layout: distributed, search_urls: ['{NOBODY}']}}", "", "no search service answers"),
        (
            f"teacher_endpoint: {{url: '{NOBODY}'}}",
            "teacher: {kind: multi_agent, model: m}",
            "runtime.teacher_endpoint.url http://127.0.0.1:9: cannot be reached",
        ),
        ("ranks: 640", "", "training uses 640"),
        ("", "model: {path: /no/such}", "model.path /no/such: no such folder"),
        ("", "model: {heads: 5}", "model.heads 5"),
        ("", "model: {hidden: 8192, layers: 800, heads: 64, intermediate: 28672}", "does not fit: a rank takes"),
    ],
)
def test_a_config_that_cannot_run_is_red_and_refused(checked, runtime, sections, said):
    lines = checked(runtime, sections)
    assert any(said in line for line in failed(lines)), lines
    assert said in lines[-1]


def test_a_root_that_is_no_file_system_is_red(checked):
    assert any("jobs, which need a file system" in line for line in failed(checked(root="memory://doctor")))


def test_a_ray_cluster_that_does_not_answer_is_red(checked, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:9")
    assert any("(RAY_ADDRESS)" in line for line in failed(checked()))


KUBERAY = "jobs: {backend: kuberay, working_dir: %s, image: i, volume_claim: c, mount: /w}, ranks: 640"


def test_jobs_on_a_cluster_need_kubectl_and_no_local_processors(checked, tmp_path, monkeypatch):
    runtime = KUBERAY % TINY.parents[2]
    monkeypatch.setenv("PATH", str(tmp_path))
    assert ["kubectl" in line for line in failed(checked(runtime))] == [True]
    (tmp_path / "kubectl").write_text("#!/bin/sh\n")
    (tmp_path / "kubectl").chmod(0o755)
    assert failed(checked(runtime)) == []


def test_an_endpoint_that_answers_is_green(checked):
    with serving(lambda *_: (200, {"data": [{"id": "m"}]})) as url:
        assert failed(checked(f"teacher_endpoint: {{url: '{url}/v1'}}", "teacher: {kind: multi_agent}")) == []


def test_inputs_of_finished_stages_may_be_gone(checked, monkeypatch):
    stages = [str(stage) for stage in stages_of(read_config(TINY))]
    monkeypatch.setattr("tasks.pipeline.graph.is_finished", lambda _, stage: str(stage) in stages)
    assert failed(checked("ranks: 640", "model: {path: /gone}")) == []


def of_root(lines):
    (line,) = [line for line in lines if line[2:].startswith("root ")]
    return line


def test_a_missing_root_is_announced_if_it_can_be_made(checked, tmp_path):
    assert of_root(checked()).startswith("✓") and of_root(checked()).endswith(f"will be made in {tmp_path}")
    (tmp_path / "root").mkdir()
    assert "will be made" not in of_root(checked())


@pytest.mark.parametrize("root", ["/no/such/disk", "/mnt/wikis/runs"])
def test_a_root_on_a_disk_that_is_not_mounted_is_red(checked, root):
    assert not Path(root).exists()
    assert of_root(checked(root=root)).startswith("✗")
    assert "mount its disk" in of_root(checked(root=root))
    assert not Path(root).parent.exists() or Path(root).parent == Path("/mnt")


def test_a_root_that_may_not_be_written_to_is_red(checked, tmp_path, monkeypatch):
    monkeypatch.setattr("flows.doctor.os.access", lambda path, mode: False)
    assert of_root(checked()) == f"✗ root {tmp_path}/root: {tmp_path} is not writable: name another folder"


def test_a_missing_bucket_is_red(checked):
    assert of_root(checked(root="memory://nobucket/runs")).startswith("✗")


def test_too_little_disk_is_red_for_a_root_and_for_a_model(checked, monkeypatch):
    for free, root_fits in ((0.5e9, False), (50e9, True)):
        monkeypatch.setattr("shutil.disk_usage", lambda path, free=free: DiskUsage(1e12, 1e12 - free, free))
        lines = checked("", "model: {hidden: 4096, layers: 36, heads: 32, intermediate: 12288}")
        assert of_root(lines).startswith("✓" if root_fits else "✗")
        assert any("GB on disk, and" in line for line in failed(lines)), lines


@pytest.mark.parametrize("changed", [False, True])
def test_a_checkout_of_another_version_is_red(checked, tmp_path, changed):
    checkout = tmp_path / "checkout"
    for room in ("schemas", "retrieval_index", "tasks", "trainers"):
        shutil.copytree(TINY.parents[2] / room, checkout / room, ignore=shutil.ignore_patterns("__pycache__"))
    if changed:
        (checkout / "tasks" / "pipeline" / "graph.py").write_text("")
    lines = checked(f"jobs: {{backend: ray, address: '{NOBODY}', working_dir: {checkout}}}")
    words = "another version of this project: tasks/pipeline/graph.py and 0 other files differ"
    assert any(words in line for line in failed(lines)) == changed
    assert any("a checkout of this version" in line for line in lines) != changed


def test_a_local_ray_cluster_is_looked_for(checked, monkeypatch):
    def join(cpus):
        raise BadInput("no Ray cluster answers at auto (RAY_ADDRESS)")

    monkeypatch.setenv("RAY_ADDRESS", "auto")
    monkeypatch.setattr("tasks.capacity.ray_cluster.join", join)
    assert any("no Ray cluster answers at auto" in line for line in failed(checked()))


def test_an_encoder_without_weights_and_a_set_without_questions_are_red(checked, tmp_path):
    encoder, questions = tmp_path / "encoder", tmp_path / "set.jsonl"
    encoder.mkdir()
    (encoder / "config.json").write_text("{}")
    sections = f"index: {{kind: dense, encoder: {{path: {encoder}}}}}\nramp: {{leaks: {{sets: [{questions}]}}}}"
    for content, said in (
        ("", "is empty"),
        ("no json\n", str(questions)),
        ('{"id": 1}\n', "neither question nor"),
    ):
        questions.write_text(content)
        lines = failed(checked("", sections))
        assert any(said in line for line in lines), lines
        assert any("no weights in it" in line for line in lines), lines


def test_a_published_model_is_checked_before_hours_of_training(checked, tmp_path, monkeypatch):
    model = save_published_model(tmp_path / "model")
    contestants = f"[{{model: pub, path: {model}, way: prompt}}]"
    sections = f"evaluation: {{sets: {{ramp: {{contestants: {contestants}}}}}}}"
    lines = checked("", sections)
    assert failed(lines) == []
    assert f"✓ {model}: chat template" in lines
    assert f"✓ memory: an engine of {model} fits, by a low estimate" in lines

    small = Machine(memory=2**20)
    monkeypatch.setattr("tasks.capacity.devices.this_machine", lambda: small)
    assert any(f"{model}" in line and "does not fit" in line for line in failed(checked("", sections)))

    (tmp_path / "model" / "chat_template.jinja").write_text("{{ nothing[0].at_all }}")
    assert any("the tokenizer's chat template cannot be rendered" in line for line in failed(checked("", sections)))
    shutil.rmtree(model)
    assert any(f"pub, {model}: no such folder" in line for line in failed(checked("", sections)))
