"""The scorecard of a few answers worked out by hand."""

from collections.abc import Iterator
from typing import Any

import pytest

from schemas.records import Answer, EndReason
from tasks.evaluation.scores import Comparison, Score, comparisons_of, scores_of
from tests.support.examples import SNAPSHOT


def answer(model: str, question: int, recall: float, **fields: Any) -> Answer:
    values = {
        "snapshot": SNAPSHOT,
        "model": model,
        "retrieval": "live",
        "decoding": "greedy",
        "set": "ramp-test",
        "question_id": f"q{question}",
        "n_masks": 1 + question % 2,
        "gold": ["x"],
        "answer": "x",
        "recall": recall,
        "f1": recall,
        "exact": float(recall == 1),
        "searches": [],
        "n_tokens": 10,
        "end_reason": EndReason.ANSWERED,
    }
    return Answer(**{**values, **fields})


def rows() -> Iterator[Answer]:
    for question in range(40):
        search = {"queries": ["q"], "passage_ids": ["1-0"], "outcome": "found"}
        yield answer("dapo", question, 1.0)
        yield answer("dapo", question, 0.5, decoding="sampled")
        yield answer("sft-1", question, 1.0 if question % 4 else 0.0, searches=[search, search])
        yield answer("sft-1", question, 0.0, decoding="sampled")
        end = EndReason.TURNS if question < 10 else EndReason.MALFORMED if question < 20 else EndReason.ANSWERED
        yield answer("dapo", question, 0.0, retrieval="none", end_reason=end)


def of(scores: list[Score], model: str, metric: str, masks: int = 0, retrieval: str = "live") -> Score:
    (found,) = [s for s in scores if (s.model, s.metric, s.masks, s.retrieval) == (model, metric, masks, retrieval)]
    return found


def test_means_by_masks_metric_and_retrieval() -> None:
    scores = scores_of(list(rows()), 500)
    everything = of(scores, "sft-1", "span_recall")
    assert (everything.mean, everything.n) == (0.75, 40)
    assert 0.55 < everything.low < 0.75 < everything.high < 0.92
    assert (of(scores, "sft-1", "span_recall", 1).mean, of(scores, "sft-1", "span_recall", 2).mean) == (0.5, 1.0)
    assert of(scores, "sft-1", "searches").mean == 2
    assert of(scores, "sft-1", "span_recall_sampled").mean == 0
    assert of(scores, "dapo", "span_recall_sampled").mean == 0.5
    assert of(scores, "dapo", "format", retrieval="none").mean == 0.75
    assert of(scores, "dapo", "answered", retrieval="none").mean == 0.5
    assert not [s for s in scores if s.retrieval == "none" and s.metric == "span_recall_sampled"]


def comparison(masks: int, metric: str) -> Comparison:
    (found,) = [c for c in comparisons_of(list(rows()), 500) if (c.masks, c.metric) == (masks, metric)]
    return found


def test_each_model_is_compared_with_the_one_before_it_question_by_question() -> None:
    exact = comparison(0, "exact")
    assert (exact.a, exact.b, exact.difference, exact.n) == ("dapo", "sft-1", pytest.approx(0.25), 40)
    assert exact.p_value == pytest.approx(2 * 0.5**10)
    steady = comparison(0, "span_recall_sampled")
    assert (steady.difference, steady.low, steady.high) == (0.5, 0.5, 0.5)
    assert steady.p_value is None


def test_questions_that_only_one_model_answered_are_left_out() -> None:
    few = [row for row in rows() if row.model != "dapo" or row.question_id in ("q1", "q2")]
    greedy = [c for c in comparisons_of(few, 100) if (c.masks, c.metric) == (0, "span_recall")]
    assert [c.n for c in greedy] == [2]


def test_rows_of_the_report_hold_what_its_readers_were_promised() -> None:
    score = scores_of(list(rows()), 100)[0]
    assert list(score.model_dump()) == ["model", "retrieval", "masks", "metric", "mean", "low", "high", "n"]
    row = comparisons_of(list(rows()), 100)[0]
    assert list(row.model_dump()) == ["a", "b", "masks", "metric", "difference", "low", "high"]
