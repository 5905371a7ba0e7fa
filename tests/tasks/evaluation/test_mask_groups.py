"""Recall by groups of masks."""

import pytest

from schemas.records import Answer, Evidence, Question
from tasks.evaluation.mask_groups import recall_by_group
from tests.support.examples import SNAPSHOT, ramp_question

TEXT = "Arlen Brom was born in Great Tolm in 1801. The potter worked for Osk & Sons beside the mill."
QUESTION = ramp_question(TEXT, ["Great Tolm", "1801", "potter"], question_id="q")


def answer(question: Question, text: str | None) -> Answer:
    return Answer(
        snapshot=SNAPSHOT,
        model="m",
        retrieval="live",
        decoding="greedy",
        set="ramp",
        question_id=question.question_id,
        n_masks=len(question.masks),
        gold=question.gold,
        answer=text,
        recall=0.0,
        f1=0.0,
        exact=0.0,
        searches=[],
        n_tokens=1,
        end_reason="answered",
    )


def found(question: Question, *texts: str | None) -> dict[tuple[str, str], tuple[float, int]]:
    rows = recall_by_group([answer(question, text) for text in texts], {question.question_id: question}, 10)
    return {(row.by, row.group): (row.recall.mean, row.recall.n) for row in rows}


def test_each_mask_counts_in_the_groups_of_what_it_is():
    groups = found(QUESTION, TEXT.replace("Great Tolm", "Great Kell").replace("potter", "baker"))
    assert groups["length", "2 words"] == (0.5, 1)
    assert groups["length", "1 word"] == (0.5, 2)
    assert groups["evidence", "not found"] == (0.5, 3)
    assert "surprisal" not in {by for by, _ in groups}


def test_several_answers_to_a_question_count_by_their_mean():
    assert found(QUESTION, TEXT, None)["evidence", "not found"] == (0.5, 3)


@pytest.mark.parametrize(
    ("nats", "band"), [(0.5, "below 2 nats"), (2.0, "2 to 5 nats"), (9.9, "5 to 10 nats"), (10.0, "10 nats or more")]
)
def test_masks_with_evidence_and_surprisal(nats, band):
    first = QUESTION.masks[0].model_copy(
        update={"surprisal": nats, "evidence": Evidence(passage_id="1-0", hops=2, rank=0, queries=["a", "b"])}
    )
    groups = found(QUESTION.model_copy(update={"masks": [first, *QUESTION.masks[1:]]}), TEXT)
    assert groups["surprisal", band] == (1.0, 1)
    assert groups["evidence", "2 searches"] == (1.0, 1)


def test_an_answer_to_another_question_is_left_out():
    assert list(recall_by_group([answer(QUESTION, TEXT)], {}, 10)) == []
