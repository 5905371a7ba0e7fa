"""Which questions a teacher is asked: all of its splits or, where it has a number of them, a draw of these."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from schemas.config import PipelineConfig
from schemas.records import Question, Split
from tasks.ledger import storage
from tasks.ledger.ledger import Ledger
from tasks.making.context import Making
from tasks.stages.teacher import TeacherStage, batches_of
from tests.support.examples import SNAPSHOT, ramp_question


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The questions that a teacher with these settings is asked, of two parts of questions."""
    paths = {}
    for part in ("a", "b"):
        paths[part] = str(tmp_path / f"{part}.parquet")
        rows = [
            ramp_question("Ostel has a harbour.", ["Ostel"]).model_copy(
                update={"question_id": f"{part}{n}", "split": Split.TRAIN if n % 3 else Split.TEST}
            )
            for n in range(30)
        ]
        storage.write_rows(paths[part], Question, rows)
    monkeypatch.setattr(Making, "upstream_parts", lambda making, stage: paths)

    def of(**teacher: Any) -> list[str]:
        document = {"name": "taught", "snapshot": SNAPSHOT, "dump": "dump", "certified_only": False}
        config = PipelineConfig.model_validate({**document, "teacher": teacher, "runtime": {"root": str(tmp_path)}})
        (stage,) = TeacherStage.of(config)
        making = Making(config.runtime, Ledger(str(tmp_path), SNAPSHOT), None, print, ExitStack())  # type: ignore[arg-type]
        batches = batches_of(making, stage.reads)
        assert all(len(batch.places) <= stage.reads.teacher.part_rows for batch in batches.values())
        rows = [storage.read_rows_at(batch.path, Question, batch.places) for batch in batches.values()]
        return [question.question_id for batch in rows for question in batch]

    return of


def test_a_teacher_without_a_number_is_asked_all_of_its_splits(asked: Any) -> None:
    expected = [f"{part}{n}" for part in "ab" for n in range(30) if n % 3]
    assert asked(part_rows=7) == expected
    assert asked(questions=1000) == expected


def test_a_number_of_them_is_drawn_by_the_seed_and_a_larger_one_holds_a_smaller(asked: Any) -> None:
    few, more = asked(questions=9, part_rows=4), asked(questions=15)
    assert (len(few), len(more)) == (9, 15)
    assert set(few) < set(more)
    assert more == [name for name in asked() if name in more], "in the order of all"
    assert few == asked(kind="multi_agent", questions=9)
    assert few != asked(questions=9, seed=2)
