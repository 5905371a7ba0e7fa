"""report.json for machines, and report.html, a self-contained page, for people.

Both are written into the snapshot's folder, and again under the root, where they belong to the last snapshot that ran.
"""

from dataclasses import dataclass

import yaml

from schemas.config import PipelineConfig
from schemas.manifest import StageManifest
from schemas.records import Answer
from schemas.training_steps import last_on
from tasks.evaluation.scores import Side, read_answers, scores_by_type
from tasks.ledger import storage
from tasks.ledger.ledger import Ledger
from tasks.report.document import Report, finished_stages, in_order, report_of, resamples_of
from tasks.report.rendering import rendered
from tasks.report.sections import sections_of
from tasks.report.summary import by_set, contestant, has_masks
from tasks.report.tables import duration
from tasks.stages.models import model_named


@dataclass(frozen=True)
class Tile:
    """A number in the page's header."""

    value: str
    what: str


def write_report(ledger: Ledger, config: PipelineConfig, wall_seconds: float) -> Report:
    """Write both files from the stages finished so far; returns the content of report.json."""
    answers = in_order(read_answers(ledger), config)
    report = report_of(ledger, answers, config, wall_seconds)
    html = _html(ledger, answers, config, report)
    for folder in (storage.join(ledger.root, ledger.snapshot), ledger.root):
        storage.write_document(storage.join(folder, "report.json"), report)
        storage.write_bytes(storage.join(folder, "report.html"), html)
    return report


def _html(ledger: Ledger, answers: list[Answer], config: PipelineConfig, report: Report) -> bytes:
    manifests = finished_stages(ledger, config)
    return rendered(
        "page.html.j2",
        name=config.name,
        snapshot=config.snapshot,
        commits=list(dict.fromkeys(manifest.commit for manifest in manifests)),
        finished=max((manifest.finished for manifest in manifests), default=None),
        tiles=_tiles(config, report, manifests),
        sections=sections_of(config, ledger, manifests, report, answers, scores_by_type(answers, resamples_of(config))),
        config=yaml.safe_dump(
            config.model_dump(mode="json", exclude_none=True, by_alias=True), sort_keys=False, allow_unicode=True
        ),
    )


def _tiles(config: PipelineConfig, report: Report, manifests: list[StageManifest]) -> list[Tile]:
    """The scores on each set of the last model that was trained on it, the rows of data stages, and the wall time."""
    tiles = []
    for name, scores in by_set(report.scores).items():
        metric = "span_recall" if has_masks(scores) else "exact"
        shown = Side(model=model_named(config, last_on(config.training, name))[1], way="agent", retrieval="live")
        for score in scores:
            if (score.side, score.level, score.metric) == (shown, 0, metric):
                what = f"{metric.replace('_', ' ')} of {contestant(score.side)} on {name}, {score.decoding}"
                tiles.append(Tile(f"{score.mean:.3f}", what))
    rows: dict[str, int] = {}
    for manifest in manifests:
        if manifest.recipe.stage in ("pages", "passages", "questions", "trajectories"):
            rows[manifest.recipe.stage] = rows.get(manifest.recipe.stage, 0) + manifest.rows
    tiles += [Tile(f"{count:,}", stage) for stage, count in rows.items()]
    return [*tiles, Tile(duration(report.wall_seconds), "wall time of all runs")]
