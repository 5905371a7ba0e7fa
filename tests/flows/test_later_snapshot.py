"""A second snapshot of an edited world under the same root, as a user runs it: the same masks, and what has changed."""

import subprocess
import sys
from pathlib import Path

import pytest

from schemas.records import Passage, Question
from tasks.ledger import storage
from tasks.ledger.ledger import Ledger

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
BEFORE, NOW = "smallworld-20260101", "smallworld-20260201"
CONFIG = """
extends: {parent}
world: {{families: {{train: 2, rl: 1, dev: 1, test: 1}}}}
training: {{ramp-evolved: {{questions: 20}}}}
runtime: {{root: {root}, workers: 1}}
"""
LATER = """
extends: config.yaml
snapshot: smallworld-20260201
world: {edits: 0.5}
ramp: {masks_of: smallworld-20260101, changed_since: smallworld-20260101}
"""


def ramp(path: Path) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).parent / "masksearch", "ramp", path]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def questions(root: Path, snapshot: str, stage: str = "questions") -> dict[str, Question]:
    paths = Ledger(str(root), snapshot).data_paths(stage, "v1")
    return {row.question_id: row for path in paths for row in storage.read_rows(path, Question)}


def rows(root: Path, snapshot: str) -> list[Passage]:
    paths = Ledger(str(root), snapshot).data_paths("passages", "v1")
    return [row for path in paths for row in storage.read_rows(path, Passage)]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both snapshots, to their questions; before the first is there the second is refused in one line."""
    folder = tmp_path_factory.mktemp("later")
    first, second = folder / "config.yaml", folder / "later.yaml"
    first.write_text(CONFIG.format(parent=ROOT / "tests" / "chaos" / "tiny.yaml", root=folder / "root"))
    second.write_text(LATER)
    refused = ramp(second)
    assert refused.returncode == 2
    assert f"{BEFORE}: its stage" in refused.stderr and "run that snapshot first" in refused.stderr, refused.stderr
    for path in (first, second):
        run = ramp(path)
        assert run.returncode == 0, run.stdout + run.stderr
    return folder / "root"


def test_the_masks_of_the_earlier_snapshot_are_asked_again_with_evidence_of_the_later(root: Path) -> None:
    before, now = questions(root, BEFORE), questions(root, NOW)
    assert len(before) > 50 and before.keys() == now.keys()
    for question_id, question in now.items():
        assert question.snapshot == NOW
        assert question.masked_text == before[question_id].masked_text
        assert question.gold == before[question_id].gold

    def proven(rows: dict[str, Question]) -> set[str]:
        return {
            f"{row.question_id} {place}"
            for row in rows.values()
            for place, mask in enumerate(row.masks)
            if mask.evidence is not None
        }

    assert proven(now) < proven(before), "what was edited is proven no more, and nothing else"
    assert len(proven(now)) > len(proven(before)) / 2


def test_what_has_changed_is_asked_with_both_values_and_proven_by_the_later_index(root: Path) -> None:
    changes = questions(root, NOW, "changes")
    told = {snapshot: {row.passage_id: row.text for row in rows(root, snapshot)} for snapshot in (BEFORE, NOW)}
    proofs = 0
    for question in changes.values():
        change, evidence = question.change, question.masks[0].evidence
        assert change is not None and question.source == "changed"
        assert question.gold == [change.new] != [change.old]
        assert change.old_snapshot == BEFORE
        if evidence is not None:
            proofs += 1
            assert change.new in told[NOW][evidence.passage_id]
            assert change.new not in told[BEFORE][evidence.passage_id]
    assert proofs > len(changes) / 2 > 20
