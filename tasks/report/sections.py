"""The sections of the page, built from the ledger; a section without data is left out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from schemas.config import PipelineConfig
from schemas.counts import counted
from schemas.manifest import StageManifest
from schemas.records import Answer, VerdictStatus
from tasks.agent.trajectory_summary import figures_of
from tasks.evaluation.known import WAY
from tasks.evaluation.scores import Comparison, Score, Side, Subset
from tasks.ledger.ledger import Ledger
from tasks.report import charts as draw
from tasks.report.curves import read_curves
from tasks.report.document import Report, known_by
from tasks.report.examples import Example, first_trajectories, read_examples
from tasks.report.summary import UNKNOWN, by_set, has_masks
from tasks.report.tables import (
    Table,
    comparison_table,
    duration,
    effort_table,
    level_name,
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
    "Questions rejected because they are in an evaluation set": "leaks_by_set",
    "Questions by strategy": "by_strategy",
    "Questions by difficulty (nats a mask)": "by_difficulty",
}
_CORPUS = ("redirects", "pages", "passages", "surprisals", "questions")
_SUBSETS: tuple[Subset, Subset] = (None, "unknown")
_MOST_REASONS = 12


def labels_of(manifests: Sequence[StageManifest], stage: str) -> list[str]:
    return [manifest.recipe.label for manifest in manifests if manifest.recipe.stage == stage]


@dataclass(frozen=True)
class Section:
    """A heading, a note on how to read it, charts, tables and examples; ``more`` are tables that start collapsed."""

    key: str
    title: str
    note: str
    charts: Sequence[str] = ()
    tables: Sequence[Table] = ()
    more: Sequence[Table] = ()
    examples: Sequence[Example] = field(default=())


def sections_of(
    config: PipelineConfig,
    ledger: Ledger,
    manifests: Sequence[StageManifest],
    report: Report,
    answers: Sequence[Answer],
    types: Mapping[str, Sequence[Score]],
) -> list[Section]:
    """The sections in the order of the page.

    Args:
        manifests: the finished stages in the order of the pipeline.
        types: scores by type of question (`tasks.evaluation.scores.scores_by_type`).
    """
    colours = draw.Colours(labels_of(manifests, "models"))
    found = [
        _scorecard(config, report.scores, types, colours),
        _comparisons(report.comparisons, report.scores, colours),
        _learning(config, ledger, manifests, colours),
        _corpus(manifests),
        _trajectories(ledger, manifests),
        _examples(ledger, manifests, answers),
        _stages(manifests, report),
    ]
    return [section for section in found if section.charts or section.tables or section.examples]


def _scorecard(
    config: PipelineConfig, scores: Sequence[Score], types: Mapping[str, Sequence[Score]], colours: draw.Colours
) -> Section:
    if not scores:
        return Section("scorecard", "Scorecard", "")
    sets, unknown = by_set(scores), by_set(scores, "unknown")
    sizes = ", ".join(f"{max(score.n for score in own):,} of {name}" for name, own in sets.items())
    note = (
        f"Test questions that no model was trained on ({sizes}), with live search unless noted; means and 95% "
        "bootstrap intervals over questions, of greedy answers unless marked as sampled. Span recall compares words "
        "mask by mask. With search off, or random passages as results, scores should be low."
    )
    known = (_known(sets[name], model) for name, model in known_by(config).items() if name in sets)
    note = " ".join([note, *filter(None, known)])
    return Section(
        "scorecard",
        "Scorecard",
        note,
        charts=[draw.scores_by_level(own, colours) for own in sets.values()],
        tables=[
            *(score_table(own, 0, _head(name, "", sets)) for name, own in sets.items()),
            *(score_table(own, 0, _head(name, UNKNOWN, sets)) for name, own in unknown.items()),
        ],
        more=[
            *(
                score_table(own, level, _head(name, level_name(level, has_masks(own)), sets))
                for name, own in sets.items()
                for level in _levels(own)
            ),
            *(
                score_table(own, level, _head(name, f"{level_name(level, has_masks(own))}, {UNKNOWN}", sets))
                for name, own in unknown.items()
                for level in _levels(own)
            ),
            *(
                score_table(own, 0, _head(name, kind, sets))
                for kind, of_kind in types.items()
                for name, own in by_set(of_kind).items()
            ),
        ],
    )


def _known(scores: Sequence[Score], model: str) -> str | None:
    """How many questions of a set the model answers without a search; None until it has answered them."""
    decides = (Side(model=model, way=WAY, retrieval="none"), "greedy", 0, "exact")
    exact = next((each for each in scores if (each.side, each.decoding, each.level, each.metric) == decides), None)
    if exact is None:
        return None
    known = round(exact.mean * exact.n)
    return (
        f"Without a search {model} answers {known:,} of {counted(exact.n, 'question')} of {exact.set} exactly, and the "
        f"scores of the other {exact.n - known:,} stand apart."
    )


def _head(name: str, part: str, sets: Mapping[str, object]) -> str:
    """The head of a table: the set's name if there are several sets, and the part of the set."""
    return ", ".join(filter(None, [name if len(sets) > 1 else "", part]))


def _levels(rows: Sequence[Score | Comparison]) -> list[int]:
    return sorted({row.level for row in rows if row.level})


def _comparisons(comparisons: Sequence[Comparison], scores: Sequence[Score], colours: draw.Colours) -> Section:
    note = (
        "Each model against the one that its training began with, the ends of branches against each other, and the "
        "last model against other ways to answer and published models, question by question, with 95% bootstrap "
        "intervals of the difference. p is the p-value of McNemar's exact test on whether all of an answer is exact."
    )
    if not comparisons:
        return Section("comparisons", "Comparisons", note)
    masked = {name: has_masks(own) for name, own in by_set(scores).items()}
    of_all, of_unknown = (
        {name: (rows, masks) for name, masks in masked.items() if (rows := _of(comparisons, name, subset))}
        for subset in _SUBSETS
    )
    return Section(
        "comparisons",
        "Comparisons",
        note,
        charts=[draw.differences(rows, colours) for rows, _ in of_all.values()],
        tables=[comparison_table(rows, 0, masks, _head(name, "", of_all)) for name, (rows, masks) in of_all.items()],
        more=[
            *(
                comparison_table(rows, level, masks, _head(name, level_name(level, masks), of_all))
                for name, (rows, masks) in of_all.items()
                for level in _levels(rows)
            ),
            *(
                comparison_table(rows, 0, masks, _head(name, UNKNOWN, of_all))
                for name, (rows, masks) in of_unknown.items()
            ),
        ],
    )


def _of(comparisons: Sequence[Comparison], name: str, subset: Subset) -> list[Comparison]:
    return [row for row in comparisons if (row.set, row.subset) == (name, subset)]


def _learning(
    config: PipelineConfig, ledger: Ledger, manifests: Sequence[StageManifest], colours: draw.Colours
) -> Section:
    trainings = read_curves(ledger, labels_of(manifests, "models"))
    supervised = [curves for curves in trainings if not curves.is_rl and "loss" in curves.series]
    charts = [draw.tree(config.training, colours)] if trainings and config.training else []
    charts += [draw.losses(supervised, colours)] if supervised else []
    charts += [draw.reinforcement(curves, colours) for curves in trainings if curves.is_rl]
    note = (
        "By step, with running means. Bands are phases of the curriculum; ≤k means up to k masks or hops. The panels "
        "of reinforcement learning show means over all rollouts of a step. Steps ask different questions, so part of "
        "the variation comes from the questions."
    )
    return Section("learning", "Learning curves", note, charts=charts)


def _corpus(manifests: Sequence[StageManifest]) -> Section:
    note = (
        "The questions by kind, and the rejected rows by reason. Evidence is a passage other than the question's own "
        "that contains the answer and is found by search from the question's context; hops are the searches that it "
        "takes. A mask is given away if its answer is in the title or in the unmasked text, or if a reference model "
        "writes it without a search. Difficulty is the surprisal of the answers under that model."
    )
    built = [manifest for manifest in manifests if manifest.recipe.stage in _CORPUS]
    asked = [manifest.figures for manifest in built if manifest.recipe.stage == "questions"]
    charts = [
        draw.bars(title, counts[name]) for counts in asked for title, name in _QUESTIONS.items() if counts.get(name)
    ]
    charts += [
        draw.bars(f"Rejects of {manifest.recipe.stage}, by reason", _largest(manifest.rejects))
        for manifest in built
        if manifest.rejects
    ]
    return Section("corpus", "Corpus and questions", note, charts=charts)


def _largest(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: -item[1])[:_MOST_REASONS])


def _trajectories(ledger: Ledger, manifests: Sequence[StageManifest]) -> Section:
    built = [manifest for manifest in manifests if manifest.recipe.stage == "trajectories"]
    by_label = {manifest.recipe.label: first_trajectories(ledger, manifest.recipe.label) for manifest in built}
    charts = []
    for manifest in built:
        counts: dict[str, dict[str, int]] = manifest.figures.get("verdicts_by_level", {})
        masks = any(row.n_masks for row in by_label[manifest.recipe.label])
        by_level = {level_name(int(level), masks): verdicts for level, verdicts in counts.items()}
        charts.append(draw.stacked(f"Verdicts on {manifest.recipe.label}", by_level, _VERDICTS))
    fewest = min((len(rows) for rows in by_label.values()), default=0)
    note = (
        "The judge's verdicts for each teacher. Training uses only trajectories that are correct and supported by the "
        f"retrieved passages. The table compares the first {fewest:,} of each label. A student that is trained on its "
        "own output may begin to repeat itself: the distinct shares then fall before the accepted share does."
    )
    tables = [effort_table({label: figures_of(rows[:fewest]) for label, rows in by_label.items()})] if fewest else []
    title = "Trajectories and self-evolution" if len(built) > 1 else "Trajectories"
    return Section("trajectories", title, note, charts=charts, tables=tables)


def _examples(ledger: Ledger, manifests: Sequence[StageManifest], answers: Sequence[Answer]) -> Section:
    note = "One correct and one incorrect result of every teacher and of every model (greedy, live search)."
    return Section(
        "examples", "Examples", note, examples=read_examples(ledger, labels_of(manifests, "trajectories"), answers)
    )


def _stages(manifests: Sequence[StageManifest], report: Report) -> Section:
    spent = {f"{stage.stage}/{stage.label}": stage.seconds for stage in report.stages}
    note = f"All finished stages. All runs together took {duration(report.wall_seconds)}."
    charts = [draw.bars("Seconds by stage", spent)] if spent else []
    return Section("stages", "Stages", note, charts=charts, tables=[stage_table(manifests)])
