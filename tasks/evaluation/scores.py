"""From answers to the scorecard: all metrics with 95% intervals, and differences of contestants.

`Score` and `Comparison` are rows of report.json. A contestant is a model, its way to answer and its retrieval.
``level`` is a number of masks, or of hops for sets of questions; 0 stands for all questions of a set. The metrics are
those of `tasks.evaluation.metrics`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Annotated, Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from schemas.records import Answer
from tasks.evaluation.metrics import COMPARED, Columns, Values
from tasks.evaluation.statistics import Interval, mcnemar, mean_interval, paired_difference
from tasks.ledger import storage
from tasks.ledger.ledger import Ledger

_Named = Annotated[str | None, Field(exclude_if=lambda name: name is None)]
"""A name that documents have only where there is one."""
Subset = Literal["unknown"] | None
"""`unknown`: the questions that a model does not know without a search (`tasks.evaluation.known`); None: all."""
_OF_ALL = Field(None, exclude_if=lambda subset: subset is None)
"""Only rows of a subset have the field in report.json."""


class Score(BaseModel):
    set: str
    model: str
    way: str
    retrieval: str
    decoding: str
    level: int
    metric: str
    mean: float
    low: float
    high: float
    n: int
    protocol: _Named = None
    """The name of the protocol. The field is left out for the pipeline's own."""
    subset: Subset = _OF_ALL

    @property
    def side(self) -> "Side":
        return Side(model=self.model, way=self.way, retrieval=self.retrieval, protocol=self.protocol)


class Side(BaseModel):
    """A contestant: one side of a comparison."""

    model_config = ConfigDict(frozen=True)

    model: str
    way: str
    retrieval: str
    protocol: _Named = None
    """As in `Score`."""

    @classmethod
    def of(cls, answer: Answer) -> "Side":
        return cls(model=answer.model, way=answer.way, retrieval=answer.retrieval, protocol=answer.protocol)


class Comparison(BaseModel):
    """``difference`` is the mean of ``a`` minus ``b`` over the ``n`` questions that both answered."""

    set: str
    decoding: str
    level: int
    metric: str
    a: Side
    b: Side
    difference: float
    low: float
    high: float
    n: int
    subset: Subset = _OF_ALL
    p_value: float | None = Field(None, exclude=True)
    """McNemar's, of whole answers that are exact; None for other metrics."""


class Difference(NamedTuple):
    """The difference of two contestants in one metric, and their means over the same questions.

    ``p_value`` is that of `Comparison`; None where a side is the mean of several answers.
    """

    level: int
    metric: str
    interval: Interval
    p_value: float | None
    mean_a: float
    mean_b: float


Pairs = Callable[[Sequence[Side]], Iterable[tuple[Side, Side]]]
"""Which contestants of a set are compared."""


def read_answers(ledger: Ledger) -> list[Answer]:
    """The answers of all finished evaluations, in the order in which they were finished."""
    labels = [manifest.recipe.label for manifest in ledger.manifests() if manifest.recipe.stage == "answers"]
    paths = [path for label in labels for path in ledger.data_paths("answers", label)]
    return [row for path in paths for row in storage.read_rows(path, Answer)]


def scores_of(answers: Iterable[Answer], resamples: int) -> list[Score]:
    """Every contestant's scores on every set, by decoding, level and metric, in the order of the answers."""
    return [
        Score(
            set=group.set,
            **group.side.model_dump(),
            decoding=group.decoding,
            level=level,
            metric=metric,
            **interval._asdict(),
        )
        for group, rows in _grouped(answers).items()
        for level, metric, interval in intervals_of(rows, resamples)
    ]


def scores_by_type(answers: Iterable[Answer], resamples: int) -> dict[str, list[Score]]:
    """By type of question: the scores over all its questions. Questions without a type are left out."""
    by_type: dict[str, list[Answer]] = {}
    for answer in answers:
        if answer.type is not None:
            by_type.setdefault(answer.type, []).append(answer)
    return {
        name: [score for score in scores_of(by_type[name], resamples) if score.level == 0] for name in sorted(by_type)
    }


def intervals_of(answers: Iterable[Answer], resamples: int) -> Iterator[tuple[int, str, Interval]]:
    """(level, metric, interval) of one contestant's answers to one set."""
    columns = Columns.of(answers)
    for level in columns.known_levels:
        chosen = columns.at(level)
        for metric, values in columns.values.items():
            known = values[chosen & ~np.isnan(values)]
            if known.size:
                yield level, metric, mean_interval(known, resamples)


def after_one_another(sides: Sequence[Side]) -> Iterator[tuple[Side, Side]]:
    """Each trained agent against the one before it; then the last one against the other ways to answer."""
    agents = [side for side in sides if side.way == "agent" and side.retrieval == "live"]
    yield from ((later, earlier) for earlier, later in pairwise(agents))
    yield from ((agents[-1], side) for side in sides if agents and side.way != "agent")


def comparisons_of(answers: Iterable[Answer], resamples: int, pairs: Pairs = after_one_another) -> list[Comparison]:
    """The compared contestants' differences over the questions that both answered."""
    grouped = _grouped(answers)
    found = []
    for name, decoding in dict.fromkeys((group.set, group.decoding) for group in grouped):
        sides = {
            group.side: Columns.of(rows)
            for group, rows in grouped.items()
            if (group.set, group.decoding) == (name, decoding)
        }
        for a, b in pairs(list(sides)):
            found += [
                Comparison(
                    set=name,
                    decoding=decoding,
                    level=row.level,
                    metric=row.metric,
                    a=a,
                    b=b,
                    difference=row.interval.mean,
                    low=row.interval.low,
                    high=row.interval.high,
                    n=row.interval.n,
                    p_value=row.p_value,
                )
                for row in differences_of(sides[a], sides[b], resamples)
            ]
    return found


def differences_of(a: Columns, b: Columns, resamples: int) -> Iterator["Difference"]:
    """Differences a - b by level and metric, over the questions that both answered."""
    both = [question_id for question_id in a.rows if question_id in b.rows]
    rows_a, rows_b = [a.rows[question_id] for question_id in both], [b.rows[question_id] for question_id in both]
    for level in a.known_levels:
        chosen = a.at(level)[rows_a]
        for metric in COMPARED:
            if metric not in a.values or metric not in b.values:
                continue
            of_a, of_b = a.values[metric][rows_a], b.values[metric][rows_b]
            known = chosen & ~np.isnan(of_a) & ~np.isnan(of_b)
            if known.any():
                yield _difference(level, metric, of_a[known], of_b[known], a.is_pooled or b.is_pooled, resamples)


def _difference(level: int, metric: str, a: Values, b: Values, is_pooled: bool, resamples: int) -> Difference:
    has_test = metric == "exact" and not is_pooled
    return Difference(
        level=level,
        metric=metric,
        interval=paired_difference(a, b, resamples),
        p_value=mcnemar(a == 1, b == 1) if has_test else None,
        mean_a=float(a.mean()),
        mean_b=float(b.mean()),
    )


class _Group(NamedTuple):
    set: str
    side: Side
    decoding: str


def _grouped(answers: Iterable[Answer]) -> dict[_Group, list[Answer]]:
    grouped: dict[tuple[str | None, ...], list[Answer]] = {}
    for row in answers:
        name = (row.set, row.decoding, row.model, row.way, row.retrieval, row.protocol)
        grouped.setdefault(name, []).append(row)
    return {_Group(rows[0].set, Side.of(rows[0]), rows[0].decoding): rows for rows in grouped.values()}
