"""Rows of a set: ids unique over sets, splits and limits by hash, sorted."""

import pytest

from schemas.records import Question, Split
from schemas.set_settings import SetDrawSettings
from tasks.agent.scoring import score
from tasks.sets.interface import SetQuestion
from tasks.sets.questions import Reason, SetReject
from tasks.sets.rows import figures_of_set, rows_of

SNAPSHOT = "enwiki-20240101"
THOUSAND = [SetQuestion(id=str(number), question=f"Who is {number}?", answers=["x"]) for number in range(1000)]
SHARES = SetDrawSettings(shares={"train": 0.8, "rl": 0.1, "test": 0.1})


def rows(found: list, settings: SetDrawSettings = SHARES) -> list[Question]:
    return rows_of(found, "quiz", SNAPSHOT, settings).questions


def splits(found: list[Question]) -> dict[str, Split]:
    return {row.question_id: row.split for row in found}


def test_a_row_has_what_the_record_has() -> None:
    found = SetQuestion(id="7", question="Who?", answers=["Karlo", "Brim"], type="bridge", hops=2)
    reject = SetReject("8", Reason.NO_ANSWER, "record 2: Where?")
    made = rows_of([found, reject], "quiz", SNAPSHOT, SetDrawSettings(split="test"))
    (row,) = made.questions
    assert (row.question_id, row.kind, row.source, row.language) == ("quiz-7", "qa", "quiz", "en")
    assert (row.prompt, row.gold, row.aliases, row.type) == ("Who?", ["Karlo"], [["Brim"]], "bridge")
    assert (row.n_masks, row.level, row.split) == (0, 2, "test")
    (dropped,) = made.rejects
    assert (dropped.row_id, dropped.reason, dropped.failed) == ("quiz-8", "no_answer", False)
    assert (score(row, "Brim").exact, score(row, "Ostel").exact) == (1, 0)


def test_a_claim_stays_a_claim_and_its_label_is_right_or_wrong() -> None:
    (row,) = rows([SetQuestion(kind="claim", id="1", question="Ostel is a town.", answers=["supported"])])
    assert (row.kind, row.prompt, row.gold) == ("claim", "Ostel is a town.", ["supported"])
    assert [score(row, answer).exact for answer in ("Supported.", "refuted", "supported or refuted")] == [1, 0, 0]


def test_rows_do_not_depend_on_the_order_of_the_file() -> None:
    for settings in (SHARES, SHARES.model_copy(update={"limit": 100})):
        assert rows(THOUSAND, settings) == rows(THOUSAND[::-1], settings)
    assert [row.question_id for row in rows(THOUSAND)] == sorted(row.question_id for row in rows(THOUSAND))


def test_shares_are_kept_also_under_a_limit() -> None:
    assert figures_of_set(rows(THOUSAND))["by_split"]["train"] == pytest.approx(800, abs=40)
    limited = rows_of(THOUSAND, "quiz", SNAPSHOT, SHARES.model_copy(update={"limit": 300}))
    assert (len(limited.questions), limited.read) == (300, 1000)
    assert figures_of_set(limited.questions)["by_split"]["train"] == pytest.approx(240, abs=25)
    assert splits(limited.questions).items() <= splits(rows(THOUSAND)).items(), "a limit moves no question"


def test_added_questions_and_another_seed() -> None:
    assert splits(rows(THOUSAND[:500])).items() <= splits(rows(THOUSAND)).items()
    assert splits(rows(THOUSAND, SHARES.model_copy(update={"seed": 2}))) != splits(rows(THOUSAND))


def test_a_list_is_answered_by_all_its_members() -> None:
    (row,) = rows([SetQuestion(id="1", question="Who?", answers=["Ada: 1, Brim: 2, Cole: 3"])])
    assert score(row, "Ada: 1").recall == pytest.approx(1 / 3)
    assert score(row, "Cole: 3, Ada: 1, Brim: 2").recall == 1
    assert score(row, "ada 1 brim 2 cole 3").exact == 1
