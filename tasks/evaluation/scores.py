"""From answers to the scorecard: every model's metrics with 95% intervals, and each model against the one before it.

`Score` and `Comparison` are rows of report.json. All metrics except span_recall_sampled are of greedy answers:

    span_recall           token recall at each mask's position (tasks/agent/scoring.py)
    span_recall_sampled   the same for sampled answers
    exact                 share of masks filled in exactly
    format                share of rollouts in which every turn of the model was well formed
    answered              share of rollouts that ended with an answer
    searches              number of searches

``masks`` is a number of masks from 1 to 4, or 0 for all questions together.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

from pydantic import BaseModel, Field

from schemas.records import Answer, EndReason
from tasks.evaluation.statistics import mcnemar, mean_interval, paired_difference
from tasks.ledger import storage
from tasks.ledger.ledger import Ledger

_WELL_FORMED = (EndReason.ANSWERED, EndReason.TURNS)

METRICS: dict[str, tuple[str, Callable[[Answer], float]]] = {
    "span_recall": ("greedy", lambda answer: answer.recall),
    "span_recall_sampled": ("sampled", lambda answer: answer.recall),
    "exact": ("greedy", lambda answer: answer.exact),
    "format": ("greedy", lambda answer: float(answer.end_reason in _WELL_FORMED)),
    "answered": ("greedy", lambda answer: float(answer.end_reason == EndReason.ANSWERED)),
    "searches": ("greedy", lambda answer: float(len(answer.searches))),
}
"""By metric: the decoding of its answers, and its value for one answer."""

COMPARED = ("span_recall", "span_recall_sampled", "exact")

_ORDER = ("untrained", "base", "sft", "dapo")


class Score(BaseModel):
    model: str
    retrieval: str
    masks: int
    metric: str
    mean: float
    low: float
    high: float
    n: int


class Comparison(BaseModel):
    """``difference`` is the mean of ``a`` minus ``b`` over the same questions, with live search."""

    a: str
    b: str
    masks: int
    metric: str
    difference: float
    low: float
    high: float
    n: int = Field(0, exclude=True)
    p_value: float | None = Field(None, exclude=True)
    """McNemar's, of answers with every mask exact; None for metrics that are not yes or no."""


def read_answers(ledger: Ledger) -> list[Answer]:
    """The answers of all finished evaluations."""
    labels = [manifest.recipe.label for manifest in ledger.manifests() if manifest.recipe.stage == "answers"]
    paths = [path for label in labels for path in ledger.data_paths("answers", label)]
    return [row for path in paths for row in storage.read_rows(path, Answer)]


def contestants(answers: Sequence[Answer]) -> list[tuple[str, str]]:
    """(model, retrieval), in the order in which the models are trained."""
    return sorted({(row.model, row.retrieval) for row in answers}, key=lambda pair: (*_place(pair[0]), pair[1]))


def _place(model: str) -> tuple[int, int, str]:
    """``sft-2`` before ``sft-10`` before ``dapo``, others last."""
    known = [rank for rank, name in enumerate(_ORDER) if model.split("-")[0] == name]
    return (known or [len(_ORDER)])[0], len(model), model


def scores_of(answers: Sequence[Answer], resamples: int) -> list[Score]:
    """Every model under every retrieval, by number of masks and metric."""
    grouped = _grouped(answers)
    return [
        Score(model=model, retrieval=retrieval, masks=masks, metric=metric, **interval._asdict())
        for model, retrieval in contestants(answers)
        for masks in _mask_counts(answers)
        for metric in METRICS
        if (values := _values(grouped, model, retrieval, masks, metric))
        for interval in [mean_interval(list(values.values()), resamples)]
    ]


def comparisons_of(answers: Sequence[Answer], resamples: int) -> list[Comparison]:
    """Each model against the one trained before it, over the questions that both answered."""
    grouped = _grouped(answers)
    models = [model for model, retrieval in contestants(answers) if retrieval == "live"]
    compared = [
        _compared(grouped, later, earlier, masks, metric, resamples)
        for earlier, later in pairwise(models)
        for masks in _mask_counts(answers)
        for metric in COMPARED
    ]
    return [comparison for comparison in compared if comparison is not None]


def _compared(grouped: "_Grouped", a: str, b: str, masks: int, metric: str, resamples: int) -> Comparison | None:
    of_a, of_b = (_values(grouped, model, "live", masks, metric) for model in (a, b))
    both = [question_id for question_id in of_a if question_id in of_b]
    if not both:
        return None
    values_a, values_b = [of_a[q] for q in both], [of_b[q] for q in both]
    difference = paired_difference(values_a, values_b, resamples)
    whole = mcnemar([v == 1 for v in values_a], [v == 1 for v in values_b]) if metric == "exact" else None
    return Comparison(
        a=a,
        b=b,
        masks=masks,
        metric=metric,
        difference=difference.mean,
        low=difference.low,
        high=difference.high,
        n=difference.n,
        p_value=whole,
    )


_Grouped = dict[tuple[str, str, str], list[Answer]]
"""Answers by model, retrieval and decoding."""


def _grouped(answers: Iterable[Answer]) -> _Grouped:
    grouped: _Grouped = {}
    for row in answers:
        grouped.setdefault((row.model, row.retrieval, row.decoding), []).append(row)
    return grouped


def _values(grouped: _Grouped, model: str, retrieval: str, masks: int, metric: str) -> dict[str, float]:
    """The metric's values by question, for questions with that number of masks."""
    decoding, value_of = METRICS[metric]
    rows = grouped.get((model, retrieval, decoding), [])
    return {row.question_id: value_of(row) for row in rows if masks in (0, row.n_masks)}


def _mask_counts(answers: Sequence[Answer]) -> list[int]:
    return sorted({0, *(row.n_masks for row in answers)})
