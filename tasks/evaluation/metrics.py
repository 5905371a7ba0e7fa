"""The metrics of answers, and answers as columns of values.

    span_recall      masks only: token recall at each mask's position (tasks/agent/scoring.py)
    exact            share of masks filled in exactly; of questions: exact match as by SQuAD
    f1               questions only: F1 of the answer's tokens as by SQuAD
    recall           questions only: share of the gold's words that the answer has
    substring        questions only: whether the answer contains the gold as whole words
    support_recall   questions only: share of the passages that the set names as evidence that searches have shown
    format           share of rollouts in which every turn of the model was well formed
    answered         share of rollouts that ended with an answer
    searches         number of searches

The best score over the gold and its aliases counts. The answer to a claim is a label, which is right or wrong: `f1`,
`recall` and `substring` are `exact`. Half of the labels are right by chance where a set has as many of each.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas.records import Answer, EndReason

Values = NDArray[np.float64]
_WELL_FORMED = (EndReason.ANSWERED, EndReason.TURNS)


class Metric(NamedTuple):
    """``value_of`` gives None for an answer without such a value. ``of`` are the answers that have the metric."""

    value_of: Callable[[Answer], float | None]
    of: Literal["masks", "questions", "all"] = "all"
    is_compared: bool = False
    """Whether differences of contestants are computed."""


METRICS: Mapping[str, Metric] = {
    "span_recall": Metric(lambda answer: answer.recall, of="masks", is_compared=True),
    "exact": Metric(lambda answer: answer.exact, is_compared=True),
    "f1": Metric(lambda answer: answer.f1, of="questions", is_compared=True),
    "recall": Metric(lambda answer: answer.recall, of="questions", is_compared=True),
    "substring": Metric(lambda answer: answer.substring, of="questions", is_compared=True),
    "support_recall": Metric(lambda answer: answer.support_recall, of="questions", is_compared=True),
    "format": Metric(lambda answer: float(answer.end_reason in _WELL_FORMED and not answer.corrected)),
    "answered": Metric(lambda answer: float(answer.end_reason == EndReason.ANSWERED)),
    "searches": Metric(lambda answer: float(len(answer.searches))),
}
COMPARED = [name for name, metric in METRICS.items() if metric.is_compared]


@dataclass(frozen=True)
class Columns:
    """Answers of one contestant to different questions, as columns."""

    rows: Mapping[str, int]
    """The row of each question."""
    levels: NDArray[np.int64]
    """(rows): the number of masks or hops; 0 if unknown."""
    values: Mapping[str, Values]
    """(rows) by metric: NaN where an answer has no such value. Metrics that no answer has are left out."""
    is_pooled: bool = False
    """Whether values are means of several answers to a question."""

    @classmethod
    def of(cls, answers: Iterable[Answer]) -> "Columns":
        """If a question was answered twice, the later answer counts."""
        by_question = {answer.question_id: answer for answer in answers}
        kept = list(by_question.values())
        kind = "masks" if any(answer.n_masks for answer in kept) else "questions"
        columns = {
            name: np.array([metric.value_of(answer) for answer in kept], np.float64)
            for name, metric in METRICS.items()
            if metric.of in ("all", kind)
        }
        return cls(
            rows={question_id: row for row, question_id in enumerate(by_question)},
            levels=np.array([answer.level for answer in kept], np.int64),
            values={name: values for name, values in columns.items() if not np.isnan(values).all()},
        )

    @classmethod
    def pooled(cls, several: Sequence["Columns"]) -> "Columns":
        """The means by question of contestants that differ by seed, over the questions that all of them answered."""
        first, *others = several
        if not others:
            return first
        common = [question_id for question_id in first.rows if all(question_id in other.rows for other in others)]
        places = [[columns.rows[question_id] for question_id in common] for columns in several]
        return cls(
            rows={question_id: row for row, question_id in enumerate(common)},
            levels=first.levels[places[0]],
            values={
                name: np.mean([columns.values[name][rows] for columns, rows in zip(several, places, strict=True)], 0)
                for name in first.values
                if all(name in other.values for other in others)
            },
            is_pooled=True,
        )

    @property
    def known_levels(self) -> list[int]:
        """0, which stands for all, and the levels of the answers."""
        return sorted({0, *self.levels.tolist()})

    def at(self, level: int) -> NDArray[np.bool_]:
        """(rows): whether the question has this level; level 0 has all questions."""
        return np.full(len(self.levels), True) if level == 0 else self.levels == level
