"""What is trained on is checked against the sets of the config that are evaluated, without being asked for."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from schemas.config import PipelineConfig
from schemas.errors import BadInput, RunFailed
from schemas.records import Question, Reject
from tasks.ledger import storage
from tasks.ledger.ledger import Ledger
from tasks.pipeline.graph import Stage, is_finished, make, stages_of

TESTS = ["Where was Karlo Brim born?", "Who founded the firm that built the old tower of the town of Ostel in 1931?"]
TRAINING = [
    *(f"Where was person {number} born?" for number in range(20)),
    "In 1999 he asked: who founded the firm that built the old tower of the town of Ostel in 1931, and why?",
]


def write(path: Path, questions: Iterable[str], split: str | None = None) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [{"id": f"{path.stem}{n}", "question": asked, "answer": "Ostel"} for n, asked in enumerate(questions)]
    own = {} if split is None else {"split": split}
    path.write_text("\n".join(json.dumps({**row, **own}) for row in rows))
    return str(path)


def config(root: Path, sets: dict[str, Any], **sections: Any) -> PipelineConfig:
    document = {"name": "leaks", "snapshot": "enwiki-20240101", "dump": "nowhere.xml.bz2", "sets": sets, **sections}
    return PipelineConfig.model_validate({**document, "runtime": {"root": str(root / "root"), "workers": 1}})


@pytest.fixture
def sets(tmp_path: Path) -> dict[str, Any]:
    """A set to train on and one to evaluate on, which share a question and a long run of words."""
    training = write(tmp_path / "a" / "train.jsonl", [*TRAINING, "where was KARLO Brim born"])
    tests = write(tmp_path / "b" / "test.jsonl", TESTS)
    return {"quiz": {"path": training, "split": "train"}, "exam": {"path": tests, "split": "test"}}


def stage(settings: PipelineConfig, name: str) -> Stage:
    return next(each for each in stages_of(settings) if str(each) == name)


def made(settings: PipelineConfig, *names: str) -> Any:
    return [make(settings, stage(settings, name), lambda progress: None) for name in names][-1]


def upstreams(settings: PipelineConfig) -> dict[str, bool]:
    """For each stage of questions, whether leaks are looked for."""
    return {str(each): ("leaks", "v1") in each.upstreams for each in stages_of(settings) if each.stage == "questions"}


def test_training_questions_that_stand_in_an_evaluated_set_are_rejected_and_counted(
    tmp_path: Path, sets: dict[str, Any]
) -> None:
    settings = config(tmp_path, sets)
    assert upstreams(settings) == {"questions/v1": True, "questions/quiz": True, "questions/exam": False}
    manifest = made(settings, "leaks/v1", "questions/quiz")
    folder = Ledger(settings.runtime.root, settings.snapshot).folder("questions", "quiz")
    rejects = {row.detail for row in storage.read_rows(f"{folder}/rejects-all.parquet", Reject)}
    assert rejects == {"exam: the same question", "exam: 13 words"}
    kept = [row.prompt for row in storage.read_rows(f"{folder}/part-all.parquet", Question)]
    assert sorted(kept) == sorted(TRAINING[:20]), "other questions of the template stay"
    assert (manifest.rejects, manifest.figures["leaks_by_set"]) == ({"leaks": 2}, {"exam": 2})
    assert manifest.figures["leaks_share"] == round(2 / 22, 6)
    assert made(settings, "questions/exam").rows == 2, "what is evaluated stays whole"


def test_a_set_is_checked_against_itself(tmp_path: Path) -> None:
    path = tmp_path / "qa" / "all.jsonl"
    write(path, ["Who?", *TESTS], "test")
    tested = path.read_text()
    write(path, [*TRAINING[:20], "Who is Brim?", "Who"], "train")
    lines = [json.loads(line) for line in (tested + "\n" + path.read_text()).splitlines()]
    rows = [{**row, "id": str(number), "aliases": [], "support": [], "steps": []} for number, row in enumerate(lines)]
    path.write_text("\n".join(json.dumps({**row, "hops": 1, "type": "fact"}) for row in rows))
    settings = config(tmp_path, {"quiz": {"path": str(path), "layout": "steps"}})
    manifest = made(settings, "leaks/v1", "questions/quiz")
    assert (manifest.rows, manifest.rejects, manifest.figures["leaks_by_set"]) == (24, {"leaks": 1}, {"quiz": 1})


def test_too_many_leaks_stop_the_run_until_the_limit_is_raised(tmp_path: Path, sets: dict[str, Any]) -> None:
    sets["quiz"]["path"] = write(tmp_path / "a" / "few.jsonl", [*TRAINING[:2], *TESTS])
    settings = config(tmp_path, sets)
    said = r"50\.00% of the questions to train on are in evaluation sets \(2 in exam\); ramp.leaks.max_share allows 10"
    with pytest.raises(RunFailed, match=said):
        made(settings, "leaks/v1", "questions/quiz")
    raised = config(tmp_path, sets, ramp={"leaks": {"max_share": 0.5}})
    assert made(raised, "questions/quiz").rows == 2, "the limit changes no row, so that the part is taken as it is"


def test_the_check_can_be_left_out_for_a_set_and_altogether(tmp_path: Path, sets: dict[str, Any]) -> None:
    nothing = {"questions/v1": False, "questions/quiz": False, "questions/exam": False}
    assert upstreams(config(tmp_path, sets, ramp={"leaks": None})) == nothing
    assert upstreams(config(tmp_path, sets, ramp={"leaks": {"unchecked": ["exam"]}})) == nothing
    listed = {"sets": [sets["exam"]["path"]], "unchecked": ["exam"]}
    settings = config(tmp_path, sets, ramp={"leaks": listed})
    assert made(settings, "leaks/v1", "questions/quiz").figures["leaks_by_set"] == {"b/test.jsonl": 2}


def test_a_moved_set_is_the_same_and_other_content_is_refused(tmp_path: Path, sets: dict[str, Any]) -> None:
    settings = config(tmp_path, sets)
    made(settings, "leaks/v1")
    there = tmp_path / "elsewhere" / "b" / "test.jsonl"
    moved = {**sets, "exam": {**sets["exam"], "path": write(there, TESTS)}}
    settings = config(tmp_path, moved)
    assert is_finished(settings, stage(settings, "leaks/v1"))
    write(there, TESTS[:1])
    with pytest.raises(BadInput, match="the evaluation sets had the sha256"):
        made(settings, "leaks/v1")


def test_other_evaluated_questions_are_another_check(tmp_path: Path, sets: dict[str, Any]) -> None:
    made(config(tmp_path, sets), "leaks/v1")
    sets["exam"]["limit"] = 1
    with pytest.raises(BadInput, match=r"held"):
        made(config(tmp_path, sets), "leaks/v1")


def test_a_file_that_is_trained_on_is_not_listed_as_one_to_keep_out(tmp_path: Path, sets: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"ramp\.leaks\.sets names .*, which sets\.quiz trains on"):
        config(tmp_path, sets, ramp={"leaks": {"sets": [sets["quiz"]["path"]]}})


def test_a_check_of_listed_files_alone_has_the_fingerprint_of_before(tmp_path: Path, sets: dict[str, Any]) -> None:
    settings = config(tmp_path, {}, ramp={"leaks": {"sets": [sets["exam"]["path"]]}})
    assert set(stage(settings, "leaks/v1").reads.given) == {"leaks", "sets"}
    assert set(stage(settings, "questions/v1").reads.given) == {"ramp", "hits", "hold_back"}
