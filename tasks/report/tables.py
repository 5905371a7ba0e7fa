"""Tables of the report. A cell is a value, with an interval if there is one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from schemas.manifest import StageManifest
from tasks.evaluation.metrics import METRICS
from tasks.evaluation.scores import Comparison, Score
from tasks.report.summary import contestant, has_masks

Column = tuple[str, str]
"""A metric and a decoding."""

_MAIN = ("span_recall", "exact")
"""The metric whose sampled answers are shown as well: the first of these that a set has."""
_EFFORT = {
    "yield": "accepted",
    "recall": "span recall",
    "mean_searches": "searches",
    "mean_tokens": "tokens",
    "distinct_queries": "distinct queries",
    "distinct_thought_trigrams": "distinct thought trigrams",
    "plan_entropy": "entropy of plans (nats)",
    "self_similarity": "self-similarity",
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


def level_name(level: int, masks: bool) -> str:
    """``all masks``, ``1 mask``, ``2 hops``; for sets without masks ``all questions``."""
    if not level:
        return "all masks" if masks else "all questions"
    return f"{level} {'mask' if masks else 'hop'}{'s' * (level > 1)}"


def duration(seconds: float) -> str:
    """``48 s``, ``31.5 min`` or ``5.2 h``."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def columns_of(rows: Sequence[Score | Comparison]) -> dict[Column, str]:
    """The metrics of greedy answers, and the main metric of sampled answers, with their heads."""
    known = {(row.metric, row.decoding) for row in rows}
    metrics = [metric for metric in METRICS if any((metric, decoding) in known for decoding in ("greedy", "sampled"))]
    main = next((metric for metric in _MAIN if metric in metrics), None)
    columns = {}
    for metric in metrics:
        name = metric.replace("_", " ")
        is_main = metric == main
        if (metric, "greedy") in known:
            columns[metric, "greedy"] = f"{name}, greedy" if is_main else name
        if (metric, "sampled") in known and is_main:
            columns[metric, "sampled"] = f"{name}, sampled"
    return columns


def score_table(scores: Sequence[Score], level: int, head: str = "") -> Table:
    """A row for each contestant, a column for each metric, of one set; ``head`` replaces the level's name."""
    columns = columns_of(scores)
    found = {(score.side, score.metric, score.decoding): score for score in scores if score.level == level}
    rows = [
        [Cell(contestant(side)), *(_mean(found.get((side, *column))) for column in columns)]
        for side in dict.fromkeys(score.side for score in scores)
    ]
    return Table([head or level_name(level, has_masks(scores)), *columns.values()], rows)


def _mean(score: Score | None) -> Cell:
    return Cell("–") if score is None else Cell(f"{score.mean:.3f}", f"[{score.low:.3f}, {score.high:.3f}]")


def comparison_table(comparisons: Sequence[Comparison], level: int, masks: bool, head: str = "") -> Table:
    """A row for each pair of contestants of one set, a column for each metric. ``head``: see `score_table`."""
    columns = columns_of(comparisons)
    found = {(row.a, row.b, row.metric, row.decoding): row for row in comparisons if row.level == level}
    rows = []
    for a, b in dict.fromkeys((row.a, row.b) for row in comparisons):
        exact = found.get((a, b, "exact", "greedy"))
        p_value = Cell("–" if exact is None or exact.p_value is None else f"{exact.p_value:.2g}")
        differences = [_difference(found.get((a, b, *column))) for column in columns]
        rows.append([Cell(f"{contestant(a)} − {contestant(b)}"), *differences, p_value])
    return Table([head or level_name(level, masks), *columns.values(), "p"], rows)


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
