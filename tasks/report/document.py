"""The results of a run for machines: the fields of report.json are a contract."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TypeVar

from pydantic import BaseModel

from schemas.config import PipelineConfig
from schemas.evaluation_settings import EvaluationSettings
from schemas.manifest import StageManifest
from schemas.records import Answer
from schemas.training_steps import ends_of, origins_of
from tasks.evaluation.known import answers_to_unknown
from tasks.evaluation.scores import Comparison, Score, Side, comparisons_of, scores_of
from tasks.ledger import storage
from tasks.ledger.ledger import Ledger
from tasks.pipeline import graph
from tasks.stages.models import model_named


class StageTiming(BaseModel):
    stage: str
    label: str
    rows: int
    rejects: int
    seconds: float

    @classmethod
    def of(cls, manifest: StageManifest) -> "StageTiming":
        return cls(
            stage=manifest.recipe.stage,
            label=manifest.recipe.label,
            rows=manifest.rows,
            rejects=sum(manifest.rejects.values()),
            seconds=manifest.seconds,
        )


class Report(BaseModel):
    """``scores`` and ``comparisons`` are empty without models; ``wall_seconds`` sums all runs that built something."""

    scores: list[Score]
    comparisons: list[Comparison]
    stages: list[StageTiming]
    wall_seconds: float


def finished_stages(ledger: Ledger, config: PipelineConfig) -> list[StageManifest]:
    """Manifests in the order of the pipeline; stages that are not in the config come last."""
    order = [stage.name for stage in graph.stages_of(config)]

    def rank(manifest: StageManifest) -> int:
        name = (manifest.recipe.stage, manifest.recipe.label)
        return order.index(name) if name in order else len(order)

    return sorted(ledger.manifests(), key=rank)


def current_report(ledger: Ledger, config: PipelineConfig) -> Report | None:
    """The written report, if it covers exactly the stages in the ledger and its pages exist; otherwise None."""
    try:
        report = storage.read_document(storage.join(ledger.root, "report.json"), Report)
    except (FileNotFoundError, ValueError):
        return None
    stages = [StageTiming.of(manifest) for manifest in finished_stages(ledger, config)]
    folders = (ledger.root, storage.join(ledger.root, ledger.snapshot))
    whole = all(storage.exists(storage.join(folder, "report.html")) for folder in folders)
    return report if whole and report.stages == stages else None


def report_of(ledger: Ledger, answers: Sequence[Answer], config: PipelineConfig, wall_seconds: float) -> Report:
    """The report of everything in the ledger, including stages of other runs; ``answers`` are all of its answers."""
    resamples, unknown = resamples_of(config), answers_to_unknown(answers, known_by(config))

    def pairs(sides: Sequence[Side]) -> Iterator[tuple[Side, Side]]:
        return pairs_of(config, sides)

    return Report(
        scores=[*scores_of(answers, resamples), *_of_unknown(scores_of(unknown, resamples))],
        comparisons=[
            *comparisons_of(answers, resamples, pairs),
            *_of_unknown(comparisons_of(unknown, resamples, pairs)),
        ],
        stages=[StageTiming.of(manifest) for manifest in finished_stages(ledger, config)],
        wall_seconds=wall_seconds,
    )


Row = TypeVar("Row", Score, Comparison)


def _of_unknown(rows: Iterable[Row]) -> Iterator[Row]:
    return (row.model_copy(update={"subset": "unknown"}) for row in rows)


def known_by(config: PipelineConfig) -> dict[str, str]:
    """By set the label of the model that says which questions are known without a search."""
    sets = {} if config.evaluation is None else config.evaluation.sets
    return {name: model_named(config, asked.known_by)[1] for name, asked in sets.items() if asked.known_by is not None}


def pairs_of(config: PipelineConfig, sides: Sequence[Side]) -> Iterator[tuple[Side, Side]]:
    """The contestants that are compared: each model with the one that its step began with, then the last model of the
    first branch with the last of each other branch, then the last model with the other ways to answer and with
    published models."""
    own = [side for side in sides if side.way == "agent" and side.protocol is None]
    agents = {side.model: side for side in own if side.retrieval == "live"}
    origins = {name: model_named(config, origin)[1] for name, origin in origins_of(config.training).items()}
    yield from ((agents[name], agents[origin]) for name, origin in origins.items() if {name, origin} <= agents.keys())
    ends = [agents[name] for name in ends_of(origins) if name in agents]
    yield from ((ends[0], other) for other in ends[1:])
    published = _published_models(config)
    yield from ((ends[0], side) for side in sides if ends and _is_another_way(side, published))


def _is_another_way(side: Side, published: Collection[str]) -> bool:
    """Whether a contestant is none of the config's models in the protocol that it was trained in."""
    if side.way not in ("agent", "prompt"):
        return True
    return side.retrieval == "live" and (side.protocol is not None or side.model in published)


def _published_models(config: PipelineConfig) -> set[str]:
    sets = {} if config.evaluation is None else config.evaluation.sets
    contestants = [each for settings in sets.values() for each in settings.contestants or ()]
    return {each.model for each in contestants if each.path is not None}


def resamples_of(config: PipelineConfig) -> int:
    """The resamples of the bootstrap behind intervals."""
    return (config.evaluation or EvaluationSettings()).bootstrap


def in_order(answers: Sequence[Answer], config: PipelineConfig) -> list[Answer]:
    """Answers in the order in which the config trains the models; other models come last, in their present order."""
    models = [stage.label for stage in graph.stages_of(config) if stage.stage == "models"]
    rank = {model: place for place, model in enumerate(models)}
    return sorted(answers, key=lambda answer: rank.get(answer.model, len(rank)))
