"""What experiments found: the finished answers of all seeds, compared question by question."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import NamedTuple

from schemas.errors import BadInput
from schemas.evaluation_settings import EvaluationSettings
from schemas.experiments import Contrast, Experiment
from schemas.names import RAMP
from schemas.records import Question
from tasks.agent.trajectory_summary import figures_of
from tasks.evaluation.comparing import Repeats, differing
from tasks.evaluation.entries import Entry, read_entry
from tasks.evaluation.mask_groups import MaskGroup, recall_by_group
from tasks.evaluation.metrics import Columns
from tasks.evaluation.scores import Difference, differences_of
from tasks.ledger import storage
from tasks.ledger.ledger import Ledger
from tasks.report.examples import first_trajectories

RESAMPLES = EvaluationSettings().bootstrap


class Finding(NamedTuple):
    """Contestant ``a`` minus contestant ``b`` at one level, pooled over the seeds, and the difference of each seed."""

    contrast: Contrast
    b: str
    difference: Difference
    by_seed: dict[int, float]


@dataclass(frozen=True)
class Seed:
    """The root of a seed's runs, and the ledger of their snapshot."""

    seed: int
    ledger: Ledger

    def entry(self, of_set: str, contestant: str) -> Entry | None:
        """The finished answers of a contestant; None if they are not finished."""
        label = f"{of_set}.{contestant}"
        if self.ledger.manifest("answers", label) is None:
            return None
        return read_entry(storage.join(self.ledger.root, self.ledger.snapshot, "answers", label))


@dataclass(frozen=True)
class Result:
    """An experiment with what is finished of it."""

    experiment: Experiment
    findings: list[Finding]
    masks: dict[str, list[MaskGroup]]
    """Recall by groups of masks, by contestant; seeds are pooled."""
    effort: dict[str, dict[str, float]]
    """Figures of trajectories by their label: means over the seeds."""
    cost: dict[str, float]
    """Seconds of training by model: means over the seeds."""
    missing: list[str]
    """Contestants without finished answers, with the seeds."""
    differing: list[str]
    """Conditions in which the two sides of a contrast differ."""


def result_of(experiment: Experiment, seeds: Sequence[Seed]) -> Result:
    entries = {
        name: {seed.seed: entry for seed in seeds if (entry := seed.entry(*name)) is not None}
        for name in experiment.contestants
    }
    missing = [
        f"{of_set}.{contestant}, seed {seed.seed}"
        for of_set, contestant in entries
        for seed in seeds
        if seed.seed not in entries[of_set, contestant]
    ]
    findings, unlike = list[Finding](), list[str]()
    for contrast in experiment.contrasts:
        for b in contrast.b:
            of_a, of_b = entries[contrast.set, contrast.a], entries[contrast.set, b]
            common = sorted(of_a.keys() & of_b.keys())
            if common:
                sides = {contrast.a: _pooled(of_a, common), b: _pooled(of_b, common)}
                unlike += differing(sides)
                findings += _findings(contrast, b, sides, common)
    finished = [entry for by_seed in entries.values() for entry in by_seed.values()]
    models = list(dict.fromkeys(row.model for entry in finished for row in entry.answers[:1]))
    views = experiment.views
    return Result(
        experiment=experiment,
        findings=findings,
        masks=_masks(entries) if "masks" in views else {},
        effort=_effort(models, seeds) if "effort" in views else {},
        cost=_cost(models, seeds) if "cost" in views else {},
        missing=missing,
        differing=list(dict.fromkeys(unlike)),
    )


def _pooled(entries: Mapping[int, Entry], seeds: Sequence[int]) -> Repeats:
    return Repeats([entries[seed] for seed in seeds])


def _findings(contrast: Contrast, b: str, sides: dict[str, Repeats], seeds: Sequence[int]) -> Iterator[Finding]:
    """Raises BadInput if the contestants have no such metric."""
    of_a, of_b = (side.columns.get((contrast.set, contrast.decoding)) for side in sides.values())
    found = [] if of_a is None or of_b is None else _of_metric(contrast, of_a, of_b, RESAMPLES)
    if not found:
        raise BadInput(f"{contrast.a} and {b} have no {contrast.compared} on {contrast.set}: choose another metric")
    by_seed: dict[int, dict[int, float]] = {}
    for number, seed in enumerate(seeds):
        single = [side.entries[number].columns[contrast.set, contrast.decoding] for side in sides.values()]
        for difference in _of_metric(contrast, single[0], single[1], resamples=1):
            by_seed.setdefault(difference.level, {})[seed] = difference.interval.mean
    for difference in found:
        yield Finding(contrast, b, difference, by_seed[difference.level])


def _of_metric(contrast: Contrast, a: Columns, b: Columns, resamples: int) -> list[Difference]:
    return [found for found in differences_of(a, b, resamples) if found.metric == contrast.compared]


def _masks(entries: Mapping[tuple[str, str], Mapping[int, Entry]]) -> dict[str, list[MaskGroup]]:
    """By contestant on RAMP. The questions are the same for all seeds."""
    questions: dict[str, Question] = {}
    found = {}
    for (of_set, contestant), by_seed in entries.items():
        if of_set != RAMP or not by_seed:
            continue
        answers = [row for entry in by_seed.values() for row in entry.answers if row.decoding == "greedy"]
        if not questions:
            questions = _questions(next(iter(by_seed.values())), {row.question_id for row in answers})
        found[contestant] = list(recall_by_group(answers, questions, RESAMPLES))
    return found


def _questions(entry: Entry, wanted: set[str]) -> dict[str, Question]:
    asked = next(upstream for upstream in entry.manifest.recipe.upstreams if upstream.stage == "questions")
    paths = entry.ledger.data_paths(asked.stage, asked.label)
    rows = (row for path in paths for row in storage.read_rows(path, Question))
    return {row.question_id: row for row in rows if row.question_id in wanted}


def _effort(models: Sequence[str], seeds: Sequence[Seed]) -> dict[str, dict[str, float]]:
    """Yield and diversity of the trajectories that models were trained on, of as many rows for each."""
    rows = {
        (model, seed.seed): first_trajectories(seed.ledger, model)
        for model in models
        for seed in seeds
        if seed.ledger.manifest("trajectories", model) is not None
    }
    fewest = min(map(len, rows.values()), default=0)
    found = {}
    for model in dict.fromkeys(model for model, _ in rows):
        figures = [figures_of(own[:fewest]) for (of, _), own in rows.items() if of == model]
        found[model] = {name: fmean(each[name] for each in figures) for name in figures[0]}
    return found


def _cost(models: Sequence[str], seeds: Sequence[Seed]) -> dict[str, float]:
    found = {}
    for model in models:
        manifests = [manifest for seed in seeds if (manifest := seed.ledger.manifest("models", model)) is not None]
        if manifests:
            found[model] = fmean(manifest.seconds for manifest in manifests)
    return found
