"""`masksearch experiments`: what is run, what is refused before, and the page about what is finished."""

import io
import json
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from flows.experiments import experiments
from schemas.config import read_config
from schemas.errors import BadInput, RunFailed, Stopped
from tasks.pipeline.graph import stages_of
from tests.support.answered import AnsweredRun
from tests.support.examples import SNAPSHOT

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "deploy" / "configs" / "experiments" / "experiments.yaml"
APART = ("common", "experiments")
"""Files beside the configs of experiments."""
CONFIG = f"""
extends: {ROOT / "deploy" / "configs" / "sample-short.yaml"}
snapshot: {SNAPSHOT}
world: {{questions: 8}}
sets: {{worldqa: {{}}}}
training:
  qa: {{kind: sft, on: worldqa, curriculum: [{{steps: 2}}], optimiser: {{lr: 1.0e-3}}}}
  control: {{kind: sft, on: worldqa, from: base, curriculum: [{{steps: 2}}], optimiser: {{lr: 1.0e-3}}}}
evaluation: {{sets: {{worldqa: {{per_level: 4}}}}}}
"""
EXPERIMENT = {
    "name": "ramp-first",
    "question": "Is it better with RAMP?",
    "config": "arms.yaml",
    "paper": "It says so.",
    "contrasts": [{"set": "worldqa", "a": "qa", "b": ["control"]}],
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "arms.yaml").write_text(CONFIG)
    return written(tmp_path)


def written(folder: Path, **changes: object) -> Path:
    path = folder / "experiments.yaml"
    document = {"root": str(folder / "runs"), "seeds": [1, 2], "experiments": [{**EXPERIMENT, **changes}]}
    path.write_text(yaml.safe_dump(document))
    return path


def answer(folder: Path, seed: int, a: set[int], b: set[int]) -> None:
    """The finished answers of both contestants under the root of a seed; the numbers are those answered right."""
    run = AnsweredRun(folder / "runs" / f"seed-{seed}")
    run.answers("worldqa.qa", a, seed=seed, rate=0.2)
    run.answers("worldqa.control", b, seed=seed)


def page_of(file: Path, only: tuple[str, ...] = (), seeds: tuple[int, ...] = ()) -> tuple[dict, str]:
    experiments(str(file), only, seeds, None, True, Console(file=io.StringIO()))
    folder = file.parent / "runs"
    return json.loads((folder / "experiments.json").read_text()), (folder / "experiments.html").read_text()


def test_the_page_pools_seeds_and_shows_each(file):
    answer(file.parent, 1, set(range(30)), set(range(10)))
    answer(file.parent, 2, set(range(20)), set(range(10)))
    document, page = page_of(file)
    (experiment,) = document["experiments"]
    (row,) = [row for row in experiment["comparisons"] if row["level"] == 0]
    assert (row["mean_a"], row["mean_b"], row["difference"]) == (0.625, 0.25, 0.375)
    assert row["by_seed"] == {"1": 0.5, "2": 0.25}
    assert 0.2 < row["low"] < 0.375 < row["high"] <= 0.5
    assert (experiment["missing"], experiment["differ"]) == ([], [])
    assert "Is it better with RAMP?" in page and "It says so." in page and "+0.500, +0.250" in page


def test_what_is_not_finished_is_named_and_common_seeds_are_compared(file):
    answer(file.parent, 1, {1, 2}, {1})
    AnsweredRun(file.parent / "runs" / "seed-2").answers("worldqa.qa", {1}, seed=2, rate=0.2)
    document, page = page_of(file)
    (experiment,) = document["experiments"]
    assert experiment["missing"] == ["worldqa.control, seed 2"]
    assert {tuple(row["by_seed"]) for row in experiment["comparisons"]} == {("1",)}
    assert "Not finished: worldqa.control, seed 2." in page


def test_every_run_trains_with_its_seed_under_the_root_of_its_seed(file, monkeypatch):
    begun = []
    monkeypatch.setattr("flows.running.build", lambda path, *more: begun.append(path))
    experiments(str(file), [], [], None, False, Console(file=io.StringIO()))
    configs = [read_config(path) for path in begun]
    assert [config.runtime.root for config in configs] == [str(file.parent / "runs" / f"seed-{n}") for n in (1, 2)]
    seeds = [
        {step.seed for step in config.training} | {step.sft.seed for step in config.training if hasattr(step, "sft")}
        for config in configs
    ]
    assert seeds == [{1}, {2}]
    assert configs[0].world == configs[1].world and configs[0].evaluation == configs[1].evaluation


def test_a_failed_run_ends_no_other_and_a_stopped_run_ends_all(file, monkeypatch):
    begun = []

    def fails(path, *more):
        begun.append(path)
        raise RunFailed("the gate failed")

    monkeypatch.setattr("flows.running.build", fails)
    with pytest.raises(RunFailed, match="2 of 2 runs failed: ramp-first, seed 1: the gate failed"):
        experiments(str(file), [], [], None, False, Console(file=io.StringIO()))
    assert len(begun) == 2

    def stopped(path, *more):
        begun.append(path)
        raise Stopped("stopped")

    monkeypatch.setattr("flows.running.build", stopped)
    with pytest.raises(Stopped):
        experiments(str(file), [], [2], None, False, Console(file=io.StringIO()))
    assert len(begun) == 3


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"contrasts": [{"set": "worldqa", "a": "qa", "b": ["cotrol"]}]}, "evaluates no cotrol on worldqa"),
        ({"contrasts": [{"set": "worldqa", "a": "qa", "b": ["control"], "metric": "exakt"}]}, "metric exakt"),
        ({"contrasts": []}, "contrasts"),
        ({"config": "none.yaml"}, "no such config file"),
        ({"view": ["cost"]}, "view: unknown field"),
    ],
)
def test_mistakes_are_one_line_before_anything_runs(tmp_path, monkeypatch, changes, said):
    (tmp_path / "arms.yaml").write_text(CONFIG)
    monkeypatch.setattr("flows.running.build", lambda *given: pytest.fail("something was run"))
    with pytest.raises(BadInput, match=said):
        experiments(str(written(tmp_path, **changes)), [], [], None, False, Console())


def test_an_unknown_name_is_refused(file):
    with pytest.raises(BadInput, match="--only ramp: no experiment has that name: choose one of ramp-first"):
        experiments(str(file), ["ramp"], [], None, True, Console())


def test_the_shipped_experiments_evaluate_what_they_compare(tmp_path, monkeypatch):
    """Every config is read, and every contestant found, before the first run."""
    begun = []
    monkeypatch.setattr("flows.running.build", lambda path, *more: begun.append(Path(path).stem))
    experiments(str(SHIPPED), [], [1], str(tmp_path), False, Console(file=io.StringIO()))
    assert sorted(begun) == sorted(path.stem for path in SHIPPED.parent.glob("*.yaml") if path.stem not in APART)


def test_stages_that_shipped_experiments_share_are_the_same(tmp_path):
    """Configs of one root that build a stage differently would refuse each other's."""
    shared: dict[object, set[str]] = {}
    for path in sorted(SHIPPED.parent.glob("*.yaml")):
        if path.stem not in APART:
            for stage in stages_of(read_config(path)):
                if stage.group != "evaluate":
                    settings = [stage.reads.model_dump(mode="json"), stage.upstreams, stage.version]
                    shared.setdefault(stage.name, set()).add(json.dumps(settings, default=str))
    assert ("models", "ramp-sft") in shared and ("dump", "v1") in shared
    assert {name for name, forms in shared.items() if len(forms) > 1} == set()
