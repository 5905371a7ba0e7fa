"""Tables of the report. A cell is a value, with an interval if there is one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from schemas.manifest import StageManifest
from tasks.evaluation.scores import METRICS, Comparison, Score
from tasks.report.summary import contestant

COMPARED = {
    "span_recall": "span recall, greedy",
    "span_recall_sampled": "span recall, sampled",
    "exact": "exact, greedy",
}
_MEASURED = {**{metric: metric.replace("_", " ") for metric in METRICS}, "span_recall_sampled": "span recall, sampled"}
_EFFORT = {
    "yield": "accepted",
    "recall": "span recall",
    "mean_searches": "searches",
    "mean_tokens": "tokens",
    "distinct_queries": "distinct queries",
    "distinct_thought_trigrams": "distinct thought trigrams",
}


@dataclass(frozen=True)
class Cell:
    value: str
    interval: str = ""


@dataclass(frozen=True)
class Table:
    """A head and rows; the first column names the row."""

    head: list[str]
    rows: list[list[Cell]]


def n_masks(masks: int) -> str:
    return "all masks" if not masks else f"{masks} mask{'s' * (masks > 1)}"


def duration(seconds: float) -> str:
    """``48 s``, ``31.5 min`` or ``5.2 h``."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def score_table(scores: Sequence[Score], masks: int) -> Table:
    """A row for each model under each retrieval, a column for each metric."""
    found = {(score.model, score.retrieval, score.metric): score for score in scores if score.masks == masks}
    rows = [
        [Cell(contestant(model, retrieval)), *(_mean(found.get((model, retrieval, metric))) for metric in METRICS)]
        for model, retrieval in dict.fromkeys((score.model, score.retrieval) for score in scores)
    ]
    return Table([n_masks(masks), *_MEASURED.values()], rows)


def _mean(score: Score | None) -> Cell:
    return Cell("–") if score is None else Cell(f"{score.mean:.3f}", f"[{score.low:.3f}, {score.high:.3f}]")


def comparison_table(comparisons: Sequence[Comparison], masks: int) -> Table:
    """A row for each pair of models, a column for each compared metric."""
    found = {(row.a, row.b, row.metric): row for row in comparisons if row.masks == masks}
    rows = []
    for a, b in dict.fromkeys((row.a, row.b) for row in comparisons):
        exact = found.get((a, b, "exact"))
        p_value = Cell("–" if exact is None or exact.p_value is None else f"{exact.p_value:.2g}")
        rows.append([Cell(f"{a} − {b}"), *(_difference(found.get((a, b, metric))) for metric in COMPARED), p_value])
    return Table([n_masks(masks), *COMPARED.values(), "p"], rows)


def _difference(row: Comparison | None) -> Cell:
    if row is None:
        return Cell("–")
    difference, low, high = (f"{value:+.3f}".replace("-", "−") for value in (row.difference, row.low, row.high))
    return Cell(difference, f"[{low}, {high}]")


def effort_table(effort: Mapping[str, Mapping[str, Any]]) -> Table:
    """Yield, effort and diversity (tasks/agent/trajectory_summary.py) by label of trajectories."""
    rows = [
        [
            Cell(label),
            *(Cell(f"{measured[name]:.1f}" if "mean" in name else f"{measured[name]:.3f}") for name in _EFFORT),
        ]
        for label, measured in effort.items()
        if measured
    ]
    return Table(["trajectories", *_EFFORT.values()], rows)


def stage_table(manifests: Sequence[StageManifest]) -> Table:
    rows = [
        [
            Cell(f"{manifest.recipe.stage}/{manifest.recipe.label}"),
            Cell(f"{manifest.rows:,}"),
            Cell(f"{sum(manifest.rejects.values()):,}"),
            Cell(f"{manifest.bytes / 1e6:,.1f}"),
            Cell(f"{manifest.seconds:,.1f}"),
            Cell(manifest.commit),
            Cell(manifest.fingerprint[:12]),
        ]
        for manifest in manifests
    ]
    return Table(["stage", "rows", "rejects", "MB", "seconds", "commit", "recipe"], rows)
