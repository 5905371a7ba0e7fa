"""What each section of the page shows, drawn from the ledger; a section without data is left out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from schemas.manifest import StageManifest
from schemas.records import Answer, VerdictStatus
from tasks.agent.trajectory_summary import figures_of
from tasks.evaluation.scores import Comparison, Score
from tasks.ledger.ledger import Ledger
from tasks.report import figures
from tasks.report.curves import read_curves
from tasks.report.document import Report
from tasks.report.examples import Example, first_trajectories, read_examples
from tasks.report.tables import (
    COMPARED,
    Table,
    comparison_table,
    duration,
    effort_table,
    n_masks,
    score_table,
    stage_table,
)

_VERDICTS = {
    VerdictStatus.CORRECT.value: "#009e73",
    VerdictStatus.UNSUPPORTED.value: "#e69f00",
    VerdictStatus.WRONG.value: "#d55e00",
    VerdictStatus.FAILED.value: "#9aa5b1",
}
_QUESTIONS = {
    "Questions by number of masks": "by_masks",
    "Questions by split": "by_split",
    "Masks by kind": "masks_by_kind",
    "Masks with evidence, by kind": "evidence_by_kind",
    "Masks by hops to their evidence": "evidence_by_hops",
    "Masks given away, by where": "given_away",
    "Questions rejected because they stand in an evaluation set": "leaks_by_set",
    "Questions by strategy": "by_strategy",
    "Questions by difficulty (nats a mask)": "by_difficulty",
}
_CORPUS = ("redirects", "pages", "passages", "surprisals", "questions")
_MOST_REASONS = 12


def labels_of(manifests: Sequence[StageManifest], stage: str) -> list[str]:
    return [manifest.recipe.label for manifest in manifests if manifest.recipe.stage == stage]


@dataclass(frozen=True)
class Section:
    """A heading, a few words on how to read it, charts, tables, examples; ``more`` are tables that are folded up."""

    key: str
    title: str
    note: str
    charts: Sequence[str] = ()
    tables: Sequence[Table] = ()
    more: Sequence[Table] = ()
    examples: Sequence[Example] = field(default=())


def sections_of(
    ledger: Ledger, manifests: Sequence[StageManifest], report: Report, answers: Sequence[Answer]
) -> list[Section]:
    """In the order of the page; ``manifests`` are of the finished stages, in the order of the pipeline."""
    found = [
        _scorecard(report.scores),
        _comparisons(report.comparisons),
        _learning(ledger, manifests),
        _corpus(manifests),
        _trajectories(ledger, manifests),
        _examples(ledger, manifests, answers),
        _stages(manifests, report),
    ]
    return [section for section in found if section.charts or section.tables or section.examples]


def _scorecard(scores: Sequence[Score]) -> Section:
    if not scores:
        return Section("scorecard", "Scorecard", "")
    note = (
        f"{max(score.n for score in scores):,} test questions that no model was trained on, with live search unless "
        "said; means and 95% bootstrap intervals over questions. Span recall counts words at each mask's own place, of "
        "greedy answers unless called sampled. With search off, or random passages for results, little should be left."
    )
    return Section(
        "scorecard",
        "Scorecard",
        note,
        charts=[figures.recall_by_masks(scores)],
        tables=[score_table(scores, 0)],
        more=[score_table(scores, masks) for masks in sorted({score.masks for score in scores}) if masks],
    )


def _comparisons(comparisons: Sequence[Comparison]) -> Section:
    note = (
        "Each model against the one before it, question by question, with 95% bootstrap intervals of the difference. "
        "p is McNemar's exact test on answers with every mask exact."
    )
    if not comparisons:
        return Section("comparisons", "Comparisons", note)
    return Section(
        "comparisons",
        "Comparisons",
        note,
        charts=[figures.differences(comparisons, COMPARED)],
        tables=[comparison_table(comparisons, 0)],
        more=[comparison_table(comparisons, masks) for masks in sorted({row.masks for row in comparisons}) if masks],
    )


def _learning(ledger: Ledger, manifests: Sequence[StageManifest]) -> Section:
    trainings = read_curves(ledger, labels_of(manifests, "models"))
    supervised = [curves for curves in trainings if not curves.is_rl and "loss" in curves.series]
    charts = [figures.losses(supervised)] if supervised else []
    charts += [figures.reinforcement(curves) for curves in trainings if curves.is_rl]
    note = (
        "By step, with running means. Bands are phases of the curriculum, ≤k for up to k masks. Reinforcement learning "
        "shows means over all rollouts; every step asks other questions, so they move with the questions too."
    )
    return Section("learning", "Learning curves", note, charts=charts)


def _corpus(manifests: Sequence[StageManifest]) -> Section:
    note = (
        "What was asked, and what was dropped and why. Evidence is a passage other than the question's own that holds "
        "the answer and is reached by search from the context, in so many hops. A mask is given away where its answer "
        "stands in the title or in the text that is left, or a reference model writes it without a search. Difficulty "
        "is how much the answers surprise that model."
    )
    made = [manifest for manifest in manifests if manifest.recipe.stage in _CORPUS]
    asked = [manifest.figures for manifest in made if manifest.recipe.stage == "questions"]
    charts = [
        figures.bars(title, counts[name]) for counts in asked for title, name in _QUESTIONS.items() if counts.get(name)
    ]
    charts += [
        figures.bars(f"Rejects of {manifest.recipe.stage}, by reason", _largest(manifest.rejects))
        for manifest in made
        if manifest.rejects
    ]
    return Section("corpus", "Corpus and questions", note, charts=charts)


def _largest(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: -item[1])[:_MOST_REASONS])


def _trajectories(ledger: Ledger, manifests: Sequence[StageManifest]) -> Section:
    made = [manifest for manifest in manifests if manifest.recipe.stage == "trajectories"]
    charts = []
    for manifest in made:
        counts: dict[str, dict[str, int]] = manifest.figures.get("verdicts_by_masks", {})
        by_masks = {n_masks(int(masks)): verdicts for masks, verdicts in counts.items()}
        charts.append(figures.stacked(f"Verdicts on {manifest.recipe.label}", by_masks, _VERDICTS))
    read = {manifest.recipe.label: first_trajectories(ledger, manifest.recipe.label) for manifest in made}
    alike = min((len(rows) for rows in read.values()), default=0)
    note = (
        "Who taught, and how the judge found it: only what is correct, and held by what was retrieved, is trained on. "
        f"The table is of the first {alike:,} of each. A teacher that evolves by its own output may end up writing the "
        "same again and again: distinct shares fall before the yield does."
    )
    tables = [effort_table({label: figures_of(rows[:alike]) for label, rows in read.items()})] if alike else []
    title = "Trajectories and self-evolution" if len(made) > 1 else "Trajectories"
    return Section("trajectories", title, note, charts=charts, tables=tables)


def _examples(ledger: Ledger, manifests: Sequence[StageManifest], answers: Sequence[Answer]) -> Section:
    note = "One that is right and one that is not, of every teacher and of every model (greedy, live search)."
    return Section(
        "examples", "Examples", note, examples=read_examples(ledger, labels_of(manifests, "trajectories"), answers)
    )


def _stages(manifests: Sequence[StageManifest], report: Report) -> Section:
    spent = {f"{stage.stage}/{stage.label}": stage.seconds for stage in report.stages}
    note = f"What is finished. All runs together took {duration(report.wall_seconds)}."
    charts = [figures.bars("Seconds by stage", spent)] if spent else []
    return Section("stages", "Stages", note, charts=charts, tables=[stage_table(manifests)])
