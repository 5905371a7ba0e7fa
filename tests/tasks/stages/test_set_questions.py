"""The stage of a question set: its rows, counts, label, and what happens when its file changes."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from flows.selection import wanted
from schemas.config import PipelineConfig
from schemas.errors import BadInput, RunFailed
from schemas.records import Question, Reject
from tasks.ledger import storage
from tasks.ledger.ledger import Ledger
from tasks.pipeline.graph import Stage, is_finished, make, stages_of

RECORDS = [
    {"id": "b", "question": "Who?", "golden_answers": ["Karlo", "Brim"], "metadata": {}},
    {"id": "a", "question": "Where?", "golden_answers": ["Ostel"], "metadata": {}},
    {"id": "c", "question": "When?", "golden_answers": [""], "metadata": {}},
]


@pytest.fixture
def quiz(tmp_path: Path) -> Path:
    path = tmp_path / "nq" / "test.jsonl"
    path.parent.mkdir()
    path.write_text("\n".join(map(json.dumps, RECORDS)))
    return path


def config(root: Path, quiz: Path, labels: dict[str, str] | None = None, **settings: Any) -> PipelineConfig:
    return PipelineConfig.model_validate(
        {
            "name": "sets",
            "snapshot": "enwiki-20240101",
            "dump": "nowhere.xml.bz2",
            "labels": labels or {},
            "sets": {"quiz": {"path": str(quiz), "split": "test", **settings}},
            "runtime": {"root": str(root), "workers": 1},
        }
    )


def stage_of(settings: PipelineConfig) -> Stage:
    (stage,) = wanted(settings, "questions")
    return stage


def made(settings: PipelineConfig) -> Any:
    return make(settings, stage_of(settings), lambda progress: None)


def test_questions_and_rejects_are_rows_and_counts(tmp_path: Path, quiz: Path) -> None:
    settings = config(tmp_path / "root", quiz)
    manifest = made(settings)
    folder = Ledger(settings.runtime.root, settings.snapshot).folder("questions", "quiz")
    rows = list(storage.read_rows(f"{folder}/part-all.parquet", Question))
    assert [(row.question_id, row.gold, row.aliases) for row in rows] == [
        ("quiz-a", ["Ostel"], [[]]),
        ("quiz-b", ["Karlo"], [["Brim"]]),
    ]
    (reject,) = storage.read_rows(f"{folder}/rejects-all.parquet", Reject)
    assert (reject.row_id, reject.reason) == ("quiz-c", "no_answer")
    assert (manifest.rows, manifest.rejects) == (2, {"no_answer": 1})
    counts = {"by_split": {"test": 2}, "by_type": {"none": 2}, "by_hops": {"0": 2}, "read": 2}
    counts["by_split_and_hops"] = {"test": {"0": 2}}
    assert manifest.figures == counts


def test_a_set_has_a_label_of_its_own_beside_the_masked_questions(tmp_path: Path, quiz: Path) -> None:
    names = [str(stage) for stage in stages_of(config(tmp_path, quiz))]
    assert {"questions/v1", "questions/quiz"} <= set(names)
    labelled = [str(stage) for stage in stages_of(config(tmp_path, quiz, labels={"questions/quiz": "quiz-b"}))]
    assert "questions/quiz-b" in labelled and "questions/quiz" not in labelled
    with pytest.raises(BadInput, match="2 stages would be named questions/v1"):
        stages_of(config(tmp_path, quiz, labels={"questions/quiz": "v1"}))


def test_a_set_may_move_and_other_content_is_refused(tmp_path: Path, quiz: Path) -> None:
    settings = config(tmp_path / "root", quiz)
    made(settings)
    moved = tmp_path / "elsewhere" / "nq" / "test.jsonl"
    moved.parent.mkdir(parents=True)
    shutil.copy(quiz, moved)
    there = config(tmp_path / "root", moved)
    assert is_finished(there, stage_of(there))
    moved.write_text(json.dumps(RECORDS[0]))
    with pytest.raises(BadInput, match=r"the set had the sha256 .*questions/quiz"):
        made(there)
    quiz.unlink()
    assert is_finished(settings, stage_of(settings)), "a file that was read may be deleted"


def test_aliases_that_are_put_beside_a_set_are_a_change(tmp_path: Path, quiz: Path) -> None:
    settings = config(tmp_path / "root", quiz)
    made(settings)
    (quiz.parent / "id_aliases.json").write_text("")
    with pytest.raises(BadInput, match="the set had the sha256"):
        made(settings)
    named = config(tmp_path / "other", quiz, layout="flashrag")
    made(named)
    (quiz.parent / "id_aliases.json").write_text("{}")
    assert is_finished(named, stage_of(named)), "the layout reads no such file"


def test_another_limit_is_another_build(tmp_path: Path, quiz: Path) -> None:
    made(config(tmp_path / "root", quiz))
    limited = config(tmp_path / "root", quiz, limit=1)
    with pytest.raises(BadInput, match=r"draws.limit .*questions/quiz"):
        made(limited)
    assert made(config(tmp_path / "other", quiz, limit=1)).figures["read"] == 2


def test_what_is_missing_or_wrong_is_reported_before_a_run(tmp_path: Path, quiz: Path) -> None:
    def look(path: Path) -> None:
        for need in stage_of(config(tmp_path, path)).needs:
            need.look()

    look(quiz)
    with pytest.raises(BadInput, match=r"sets.quiz.path .*nowhere.json: no such file"):
        look(tmp_path / "nowhere.json")
    quiz.write_text("")
    with pytest.raises(BadInput, match=r"sets.quiz.path .*: the file has no records"):
        look(quiz)


def test_a_set_without_any_answer_is_not_finished(tmp_path: Path, quiz: Path) -> None:
    quiz.write_text(json.dumps(RECORDS[2]))
    with pytest.raises(RunFailed, match="has rows"):
        made(config(tmp_path / "root", quiz))
