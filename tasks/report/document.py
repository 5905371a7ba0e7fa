"""What a run came to, for machines: the fields of report.json are a contract."""

from collections.abc import Sequence

from pydantic import BaseModel

from schemas.config import EvaluationSettings, PipelineConfig
from schemas.manifest import StageManifest
from schemas.records import Answer
from tasks.evaluation.scores import Comparison, Score, comparisons_of, scores_of
from tasks.ledger import Ledger


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
    """The scorecard is empty without models; ``wall_seconds`` is the time of all runs that built something."""

    scores: list[Score]
    comparisons: list[Comparison]
    stages: list[StageTiming]
    wall_seconds: float


def report_of(ledger: Ledger, answers: Sequence[Answer], config: PipelineConfig, wall_seconds: float) -> Report:
    """Computed from what lies in the ledger, whoever made it; ``answers`` are all that it holds."""
    resamples = (config.evaluation or EvaluationSettings()).bootstrap
    return Report(
        scores=scores_of(answers, resamples) if answers else [],
        comparisons=comparisons_of(answers, resamples) if answers else [],
        stages=[StageTiming.of(manifest) for manifest in ledger.manifests()],
        wall_seconds=wall_seconds,
    )
