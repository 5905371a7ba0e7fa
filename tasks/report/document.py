"""The results of a run for machines: the fields of report.json are a contract."""

from collections.abc import Sequence

from pydantic import BaseModel

from schemas.config import PipelineConfig
from schemas.evaluation_settings import EvaluationSettings
from schemas.manifest import StageManifest
from schemas.records import Answer
from tasks.evaluation.scores import Comparison, Score, comparisons_of, scores_of
from tasks.ledger import storage
from tasks.ledger.ledger import Ledger
from tasks.pipeline import graph


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
    return Report(
        scores=scores_of(answers, resamples_of(config)),
        comparisons=comparisons_of(answers, resamples_of(config)),
        stages=[StageTiming.of(manifest) for manifest in finished_stages(ledger, config)],
        wall_seconds=wall_seconds,
    )


def resamples_of(config: PipelineConfig) -> int:
    """The resamples of the bootstrap behind intervals."""
    return (config.evaluation or EvaluationSettings()).bootstrap


def in_order(answers: Sequence[Answer], config: PipelineConfig) -> list[Answer]:
    """Answers in the order in which the config trains the models; other models come last, in their present order."""
    models = [stage.label for stage in graph.stages_of(config) if stage.stage == "models"]
    rank = {model: place for place, model in enumerate(models)}
    return sorted(answers, key=lambda answer: rank.get(answer.model, len(rank)))
