"""experiments.json for machines, and experiments.html, a self-contained page, for people."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure

from schemas.experiments import Contrast, Experiments
from tasks.evaluation.statistics import Interval
from tasks.ledger import storage
from tasks.report.charts import ACCENT, MUTED, WIDE, svg
from tasks.report.experiment_results import Finding, Result, Seed, result_of
from tasks.report.rendering import rendered
from tasks.report.tables import Cell, Table, duration, effort_table, level_name

PAGE = "experiments.html"
_NOTE = (
    "Paired differences over the questions that both contestants answered; with several seeds a question counts by its "
    "mean over the seeds. Bars are 95% bootstrap intervals over questions, which do not contain the variation between "
    "trainings: each seed's own difference is a tick."
)


@dataclass(frozen=True)
class Part:
    """An experiment on the page."""

    result: Result
    charts: list[str]
    tables: list[Table]


def write_page(experiments: Experiments, seeds: Sequence[Seed]) -> str:
    """Write both files under the root, from what is finished; returns the path of the page."""
    results = [result_of(experiment, seeds) for experiment in experiments.experiments]
    document = json.dumps(document_of(results), indent=1)
    storage.write_bytes(storage.join(experiments.root, "experiments.json"), document.encode())
    page = storage.join(experiments.root, PAGE)
    storage.write_bytes(page, _html(results, [seed.seed for seed in seeds]))
    return page


def document_of(results: Sequence[Result]) -> dict[str, Any]:
    """The content of experiments.json: for each experiment its comparisons, as `masksearch compare --json` has them."""
    return {
        "experiments": [
            {
                "name": result.experiment.name,
                "question": result.experiment.question,
                "comparisons": [_line(finding) for finding in result.findings],
                "missing": result.missing,
                "differ": result.differing,
            }
            for result in results
        ]
    }


def _line(finding: Finding) -> dict[str, Any]:
    contrast, found = finding.contrast, finding.difference
    return {
        "set": contrast.set,
        "decoding": contrast.decoding,
        "level": found.level,
        "metric": found.metric,
        "a": contrast.a,
        "b": finding.b,
        "mean_a": found.mean_a,
        "mean_b": found.mean_b,
        "difference": found.interval.mean,
        "low": found.interval.low,
        "high": found.interval.high,
        "n": found.interval.n,
        "by_seed": finding.by_seed,
    }


def _html(results: Sequence[Result], seeds: Sequence[int]) -> bytes:
    return rendered(
        "experiments.html.j2",
        note=_NOTE,
        seeds=seeds,
        parts=[Part(result, _charts(result), _tables(result)) for result in results],
    )


def _charts(result: Result) -> list[str]:
    return [_forest(result, contrast) for contrast in result.experiment.contrasts if _of(result, contrast)]


def _of(result: Result, contrast: Contrast) -> list[Finding]:
    return [finding for finding in result.findings if finding.contrast == contrast]


def _title(contrast: Contrast) -> str:
    return f"{contrast.compared.replace('_', ' ')} on {contrast.set}, {contrast.decoding}"


def _forest(result: Result, contrast: Contrast) -> str:
    """The differences of one contrast: a row for each level of each other contestant."""
    findings = _of(result, contrast)
    masks = contrast.compared == "span_recall"

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        axes.axvline(0, color=MUTED, linewidth=1)
        for height, finding in enumerate(findings):
            mean, low, high, _ = finding.difference.interval
            is_all = finding.difference.level == 0
            axes.errorbar(
                mean, height, xerr=[[mean - low], [high - mean]], fmt="o", color=ACCENT if is_all else MUTED, capsize=3
            )
            own = list(finding.by_seed.values())
            axes.scatter(own, [height] * len(own), marker="|", s=90, color=ACCENT, linewidth=1, zorder=3)
        axes.set_yticks(
            range(len(findings)),
            [f"{contrast.a} − {row.b}, {level_name(row.difference.level, masks)}" for row in findings],
        )
        axes.invert_yaxis()
        axes.set_title(_title(contrast))
        axes.grid(axis="y", visible=False)
        axes.margins(y=0.08)

    return svg(f"{result.experiment.name}: {_title(contrast)}", WIDE, 0.8 + 0.24 * len(findings), draw)


def _tables(result: Result) -> list[Table]:
    tables = [
        _differences(contrast, found) for contrast in result.experiment.contrasts if (found := _of(result, contrast))
    ]
    tables += [_by_group(result)] if result.masks else []
    tables += [effort_table(result.effort)] if result.effort else []
    if result.cost:
        rows = [[Cell(model), Cell(duration(seconds))] for model, seconds in result.cost.items()]
        tables.append(Table(["model", "training"], rows))
    return tables


def _differences(contrast: Contrast, findings: Sequence[Finding]) -> Table:
    masks = contrast.compared == "span_recall"
    rows = [
        [
            Cell(f"{contrast.a} − {finding.b}, {level_name(finding.difference.level, masks)}"),
            Cell(f"{finding.difference.mean_a:.3f}"),
            Cell(f"{finding.difference.mean_b:.3f}"),
            _signed(finding.difference.interval),
            Cell(", ".join(f"{value:+.3f}" for value in finding.by_seed.values())),
            Cell(f"{finding.difference.interval.n:,}"),
        ]
        for finding in findings
    ]
    return Table([_title(contrast), contrast.a, "the other", "difference", "each seed", "questions"], rows)


def _signed(interval: Interval) -> Cell:
    return Cell(f"{interval.mean:+.3f}", f"[{interval.low:+.3f}, {interval.high:+.3f}]")


def _by_group(result: Result) -> Table:
    """A row for each group of masks, a column for each contestant."""
    found = {(name, row.by, row.group): row.recall for name, rows in result.masks.items() for row in rows}
    groups = list(dict.fromkeys((row.by, row.group) for rows in result.masks.values() for row in rows))
    rows = [
        [Cell(f"{by}: {group}"), *(_recall(found.get((name, by, group))) for name in result.masks)]
        for by, group in groups
    ]
    return Table(["recall of masks, greedy", *result.masks], rows)


def _recall(interval: Interval | None) -> Cell:
    if interval is None:
        return Cell("–")
    return Cell(f"{interval.mean:.3f}", f"[{interval.low:.3f}, {interval.high:.3f}] n {interval.n:,}")
