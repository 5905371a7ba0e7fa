"""The scorecard of a few answers worked out by hand."""

from collections.abc import Iterator
from typing import Any

import pytest

from schemas.records import Answer, EndReason
from tasks.evaluation.scores import Comparison, Score, comparisons_of, scores_by_type, scores_of
from tests.support.examples import SNAPSHOT


def answer(model: str, question: int, recall: float, **fields: Any) -> Answer:
    values = {
        "snapshot": SNAPSHOT,
        "model": model,
        "retrieval": "live",
        "decoding": "greedy",
        "set": "ramp",
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
        yield answer("ramp-evolved", question, 1.0 if question % 4 else 0.0, searches=[search, search])
        yield answer("ramp-evolved", question, 0.0, decoding="sampled")
        yield answer("ramp-rl", question, 1.0)
        yield answer("ramp-rl", question, 0.5, decoding="sampled")
        end = EndReason.TURNS if question < 10 else EndReason.MALFORMED if question < 20 else EndReason.ANSWERED
        yield answer("ramp-rl", question, 0.0, retrieval="none", end_reason=end)


def asked(model: str, question: int, exact: float, **fields: Any) -> Answer:
    """An answer to a question of one to three hops."""
    values = {"set": "worldqa", "n_masks": 0, "hops": 1 + question % 3, "type": ("bridge", "comparison")[question % 2]}
    return answer(model, question, exact, **{**values, "substring": exact, **fields})


def of(scores: list[Score], model: str, metric: str, **fields: Any) -> Score:
    wanted = {"model": model, "metric": metric, "level": 0, "retrieval": "live", "decoding": "greedy", **fields}
    (found,) = [score for score in scores if wanted.items() <= score.model_dump().items()]
    return found


def test_means_by_level_metric_decoding_and_retrieval() -> None:
    scores = scores_of(list(rows()), 500)
    everything = of(scores, "ramp-evolved", "span_recall")
    assert (everything.mean, everything.n) == (0.75, 40)
    assert 0.55 < everything.low < 0.75 < everything.high < 0.92
    levels = [of(scores, "ramp-evolved", "span_recall", level=level).mean for level in (1, 2)]
    assert levels == [0.5, 1.0]
    assert of(scores, "ramp-evolved", "searches").mean == 2
    assert of(scores, "ramp-evolved", "span_recall", decoding="sampled").mean == 0
    assert of(scores, "ramp-rl", "span_recall", decoding="sampled").mean == 0.5
    assert of(scores, "ramp-rl", "format", retrieval="none").mean == 0.75
    assert of(scores, "ramp-rl", "answered", retrieval="none").mean == 0.5
    assert not [s for s in scores if s.retrieval == "none" and s.decoding == "sampled"]
    assert not {"f1", "recall", "substring"} & {score.metric for score in scores}, "those of questions without masks"


def test_questions_have_their_own_metrics_and_go_by_hops() -> None:
    answers = [asked("qa-rl", n, float(n % 2), support_recall=None if n % 3 else 0.5) for n in range(12)]
    scores = scores_of(answers, 200)
    assert {score.metric for score in scores} == {
        *("exact", "f1", "recall", "substring", "support_recall", "format", "answered", "searches")
    }
    assert {score.level for score in scores} == {0, 1, 2, 3}
    support = of(scores, "qa-rl", "support_recall")
    assert (support.mean, support.n) == (0.5, 4), "questions whose set names no passages do not count"
    by_type = scores_by_type(answers, 200)
    assert [of(by_type[kind], "qa-rl", "exact").mean for kind in ("bridge", "comparison")] == [0.0, 1.0]


def test_sets_and_ways_are_kept_apart() -> None:
    answers = [
        *rows(),
        *(asked("ramp-rl", n, 1.0) for n in range(9)),
        *(asked("ramp-rl", n, 0.0, way="rag") for n in range(9)),
    ]
    scores = scores_of(answers, 100)
    assert of(scores, "ramp-rl", "exact", set="ramp").n == 40
    assert [of(scores, "ramp-rl", "exact", set="worldqa", way=way).mean for way in ("agent", "rag")] == [1.0, 0.0]


def comparison(level: int, metric: str, decoding: str = "greedy") -> Comparison:
    wanted = (level, metric, decoding)
    (found,) = [c for c in comparisons_of(list(rows()), 500) if (c.level, c.metric, c.decoding) == wanted]
    return found


def test_each_model_is_compared_with_the_one_before_it_question_by_question() -> None:
    exact = comparison(0, "exact")
    assert (exact.a.model, exact.b.model, exact.difference, exact.n) == (
        "ramp-rl",
        "ramp-evolved",
        pytest.approx(0.25),
        40,
    )
    assert exact.p_value == pytest.approx(2 * 0.5**10)
    steady = comparison(0, "span_recall", "sampled")
    assert (steady.difference, steady.low, steady.high) == (0.5, 0.5, 0.5)
    assert steady.p_value is None


def test_the_last_agent_is_compared_with_other_ways_to_answer() -> None:
    ways = [("base", {"way": "direct", "retrieval": "none"}), ("sft", {}), ("base", {"way": "rag"}), ("rl", {})]
    answers = [
        asked(model, n, float(n < place), **fields) for place, (model, fields) in enumerate(ways) for n in range(9)
    ]
    exact = [c for c in comparisons_of(answers, 100) if (c.metric, c.level) == ("exact", 0)]
    pairs = {(c.a.model, c.b.model, c.b.way): c.difference for c in exact}
    assert set(pairs) == {("rl", "sft", "agent"), ("rl", "base", "direct"), ("rl", "base", "rag")}
    assert pairs["rl", "base", "direct"] == pytest.approx(3 / 9)
    assert pairs["rl", "base", "rag"] == pytest.approx(1 / 9)


def test_questions_that_only_one_model_answered_are_left_out() -> None:
    few = [row for row in rows() if row.model != "ramp-rl" or row.question_id in ("q1", "q2")]
    found = [c for c in comparisons_of(few, 100) if (c.level, c.metric, c.decoding) == (0, "span_recall", "greedy")]
    assert [c.n for c in found] == [2]


def test_rows_of_the_report_hold_what_its_readers_were_promised() -> None:
    score = scores_of(list(rows()), 100)[0]
    assert list(score.model_dump()) == [
        *("set", "model", "way", "retrieval", "decoding", "level", "metric", "mean", "low", "high", "n")
    ]
    row = comparisons_of(list(rows()), 100)[0].model_dump()
    assert list(row) == ["set", "decoding", "level", "metric", "a", "b", "difference", "low", "high", "n"]
    assert row["a"] == {"model": "ramp-rl", "way": "agent", "retrieval": "live"}
