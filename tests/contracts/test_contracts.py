"""What nobody may change unseen: layers, shipped configs, the command line, and how light its start is."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from flows.cli import app
from schemas.config import read_config
from schemas.errors import BadInput
from tasks.ledger.ledger import Ledger
from tasks.pipeline.graph import stages_of
from tests.contracts.defaults import DEFAULTS, defaults

ROOT = Path(__file__).parents[2]
HEAVY = ("prefect", "torch", "vllm", "ray", "transformers", "deepspeed", "jnius", "faiss")


def test_a_layer_imports_only_layers_below_it():
    run = subprocess.run(
        [Path(sys.executable).parent / "lint-imports"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout


@pytest.mark.parametrize("path", sorted((ROOT / "deploy" / "configs").glob("*.yaml")), ids=lambda path: path.name)
def test_every_shipped_config_parses_and_every_stage_comes_after_what_it_is_made_from(path):
    stages = stages_of(read_config(path))
    seen = set()
    for stage in stages:
        assert set(stage.upstreams) <= seen, f"{stage} comes too early"
        assert stage.name not in seen, f"{stage} is there twice"
        seen.add(stage.name)


def test_a_label_is_changed_for_a_stage_and_for_all_that_is_made_from_it():
    config = read_config(ROOT / "deploy/configs/sample.yaml", {"labels": {"untrained": "small", "scripted": "short"}})
    stages = {str(stage): stage for stage in stages_of(config)}
    assert ("trajectories", "short") in stages["models/ramp-sft"].upstreams
    assert ("models", "small") in stages["models/base"].upstreams
    assert ("models", "small") in stages["answers/ramp.small"].upstreams
    assert not {"models/untrained", "answers/ramp.untrained", "trajectories/scripted"} & stages.keys()


def test_two_stages_under_one_label_are_refused():
    config = read_config(ROOT / "deploy/configs/sample.yaml", {"labels": {"untrained": "base"}})
    with pytest.raises(BadInput, match="2 stages would be named models/base"):
        stages_of(config)


def test_a_default_changes_only_on_purpose():
    """Fingerprints leave defaults out: a change of one raises the versions of the stages that read it.

    To write the file anew: python -m tests.contracts.defaults
    """
    assert defaults() == json.loads(DEFAULTS.read_text())


def test_a_setting_at_its_default_leaves_the_fingerprint_as_it_is(tmp_path):
    def fingerprint(**overrides):
        config = read_config(ROOT / "deploy/configs/sample.yaml", {"runtime": {"root": str(tmp_path)}, **overrides})
        (dump, *_) = stages_of(config)
        recipe = dump.recipe(Ledger(str(tmp_path), config.snapshot))
        assert recipe is not None
        return recipe.fingerprint

    assert fingerprint(world={"seed": 1}) == fingerprint(), "1 is the default"
    assert fingerprint(world={"seed": 2}) != fingerprint()


def test_the_command_line_grows_only_on_purpose():
    commands = {command.name or command.callback.__name__ for command in app.registered_commands}
    assert commands == {
        *("run", "plan", "status", "backfill", "corpus", "ramp", "questions", "trajectories", "sft", "rl", "evaluate"),
        *("index", "search", "serve", "show", "doctor", "accept", "stop", "sets", "score", "compare"),
        "experiments",
    }


@pytest.mark.parametrize(
    "module",
    [
        *(
            "flows.cli",
            "flows.selection",
            "flows.overview",
            "flows.planning",
            "flows.accept",
            "flows.running",
            "flows.stop",
            "flows.doctor",
        ),
        "schemas.jobs",
    ],
)
def test_what_the_command_line_starts_with_is_light(module):
    code = f"import sys, {module}; print(*[name for name in {HEAVY} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.split() == []


def masksearch(*words, cwd=ROOT):
    command = [Path(sys.executable).parent / "masksearch", *words]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def test_a_missing_model_is_reported_before_anything_is_started(tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(f"extends: {ROOT}/tests/chaos/tiny.yaml\nmodel: {{path: /no/such}}\n")
    run = masksearch("run", str(config), "--root", str(tmp_path / "root"))
    assert (run.returncode, run.stderr) == (2, "error: model.path /no/such: no such folder\n")
    assert not (tmp_path / "root").exists()


def test_artifacts_of_a_wiki_with_an_underscore_have_keys_that_prefect_takes():
    from tasks.pipeline.prefect_tasks import artifact_key

    assert artifact_key("zh_yuewiki-20260101", "scorecard") == "zh-yuewiki-20260101-scorecard"


def test_help_names_every_command():
    run = masksearch("--help")
    assert run.returncode == 0
    for command in ("run", "backfill", "search", "show", "doctor"):
        assert command in run.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run", "nowhere.yaml"), "error: nowhere.yaml: no such config file"),
        (("show", "nowhere.parquet"), "error: nowhere.parquet"),
        (("search", "nowhere", "a query"), "error: nowhere"),
        (("status", "--root", "nowhere"), "error: nowhere"),
        (("accept", "deploy/configs/sample.yaml", "--size", "8B"), "error: size '8B' is unknown: give one of tiny"),
        (("accept", "deploy/configs/enwiki-sample.yaml"), "error: enwiki-sample: accept tests training"),
        (("run", "deploy/configs/enwiki-sample.yaml", "--dump", "nowhere.xml.bz2"), "error: nowhere.xml.bz2"),
        (("run", "deploy/configs/sample.yaml", "--snapshot", ""), "error: --snapshot is empty"),
        (("plan", "deploy/configs/sample.yaml", "--root", ""), "error: --root is empty"),
        (("status", "--root", ""), "error: --root is empty"),
        (("status", "--root", "README.md"), "error: README.md: this is a file"),
        (("plan", "deploy/configs/sample.yaml", "--root", "README.md"), "error: README.md: this is a file"),
        (("corpus", "deploy/configs/sample.yaml", "--root", "README.md/x"), "error: README.md/x: "),
        (("corpus", "deploy/configs/sample.yaml", "--root", "/proc/x"), "error: /proc/x"),
        (
            ("backfill", "deploy/configs/sample.yaml", "--snapshots", "smallworld-20260101", "--root", "foo://b/x"),
            "error: foo://b/x: cannot be opened",
        ),
        (("show", "foo://b/x"), "error: foo://b/x: cannot be opened"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_two(words, said, tmp_path):
    if words[0] == "run":
        words = (*words, "--root", str(tmp_path / "root"))
    run = masksearch(*words)
    assert run.returncode == 2, run.stderr
    assert run.stderr.startswith(said)
    assert len(run.stderr.splitlines()) == 1, run.stderr
    assert "to build" not in run.stdout, "it is told before anything is started"
