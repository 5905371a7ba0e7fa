"""Training on the questions of a set, as a user runs it: from the world's own questions to a scorecard of two sets."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from schemas.records import Answer, Question, Trajectory
from tasks.ledger import storage
from tasks.ledger.ledger import Ledger

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
CONFIG = """
extends: {parent}
world:
  families: {{train: 2, rl: 1, dev: 1, test: 1}}
  questions: 8
sets: {{worldqa: {{}}}}
training:
  base: {{steps: 4}}
  ramp-sft: null
  ramp-evolved: null
  ramp-rl: null
  qa-sft:
    kind: sft
    on: worldqa
    tokens_per_step: 1024
    curriculum: [{{max_hops: 1, steps: 2}}, {{max_hops: 3, steps: 4}}]
    optimiser: {{lr: 2.0e-3, warmup_steps: 0}}
  qa-round:
    kind: self_evolution
    on: worldqa
    questions: 8
    min_accepted: 0
    sft: {{tokens_per_step: 1024, curriculum: [{{steps: 2}}], optimiser: {{lr: 1.0e-3, warmup_steps: 0}}}}
  qa-rl:
    kind: dapo
    on: worldqa
    from: qa-sft
    reward: {{kind: f1}}
    prompts: 2
    group: 2
    minibatches: 1
    max_generation_batches: 1
    overlong_cache: 700
    curriculum: [{{max_hops: 3, steps: 1}}]
    optimiser: {{lr: 1.0e-4, warmup_steps: 0}}
evaluation:
  sets:
    ramp: null
    worldqa:
      per_level: 4
      known_by: qa-sft
      contestants:
        - {{model: qa-sft}}
        - {{model: qa-rl}}
        - {{model: qa-rl, way: rag}}
runtime: {{root: {root}}}
"""


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    folder = tmp_path_factory.mktemp("questions")
    config = folder / "config.yaml"
    config.write_text(CONFIG.format(parent=ROOT / "tests" / "chaos" / "tiny.yaml", root=folder / "root"))
    command = [Path(sys.executable).parent / "masksearch", "run", config]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "worldqa, all questions" in run.stdout
    return Ledger(str(folder / "root"), "smallworld-20260101")


def test_every_trained_trajectory_answers_a_question_of_the_set(ledger: Ledger) -> None:
    paths = ledger.data_paths("questions", "worldqa")
    questions = {row.question_id: row for path in paths for row in storage.read_rows(path, Question)}
    assert {row.hops for row in questions.values()} == {1, 2, 3}
    for label, split in (("worldqa-scripted", "train"), ("qa-round", "rl")):
        rows = [row for path in ledger.data_paths("trajectories", label) for row in storage.read_rows(path, Trajectory)]
        assert rows
        assert {questions[row.question_id].split for row in rows} == {split}
        assert all(row.hops == questions[row.question_id].hops for row in rows)


def test_the_report_scores_the_set_by_hops(ledger: Ledger) -> None:
    rows = [
        row for path in ledger.data_paths("answers", "worldqa.qa-rl.rag") for row in storage.read_rows(path, Answer)
    ]
    assert len(rows) == 4 * 3 * 2, "of each number of hops, greedily and sampled"
    assert all(len(row.searches) == 1 and row.way == "rag" for row in rows)
    report = json.loads((Path(ledger.root) / "report.json").read_text())
    assert {score["set"] for score in report["scores"]} == {"worldqa"}
    assert {score["level"] for score in report["scores"]} == {0, 1, 2, 3}
    compared = {(row["a"]["model"], row["b"]["model"], row["b"]["way"]) for row in report["comparisons"]}
    assert ("qa-rl", "qa-sft", "agent") in compared


def test_what_is_known_without_a_search_is_asked_and_the_rest_has_scores(ledger: Ledger) -> None:
    paths = ledger.data_paths("answers", "worldqa.qa-sft.direct")
    rows = [row for path in paths for row in storage.read_rows(path, Answer) if row.decoding == "greedy"]
    assert all(not row.searches and row.way == "direct" for row in rows)
    report = json.loads((Path(ledger.root) / "report.json").read_text())
    unknown = [score for score in report["scores"] if score.get("subset") == "unknown"]
    assert {(score["model"], score["way"]) for score in unknown} == {
        *(("qa-sft", "agent"), ("qa-rl", "agent"), ("qa-rl", "rag"))
    }
    n_unknown = sum(row.exact != 1 for row in rows)
    assert {score["n"] for score in unknown if score["metric"] == "answered" and not score["level"]} == {n_unknown}


def test_leaks_are_looked_for_in_all_that_is_trained_on_and_the_made_up_world_has_none(ledger: Ledger) -> None:
    for label in ("v1", "worldqa"):
        manifest = ledger.manifest("questions", label)
        assert manifest is not None
        assert (manifest.figures["leaks_share"], manifest.rejects.get("leaks")) == (0.0, None)
    runs = ledger.manifest("leaks", "v1")
    assert runs is not None and runs.rows == runs.figures["runs_by_set"]["worldqa"] > 0
