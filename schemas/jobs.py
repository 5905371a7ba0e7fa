"""What a job (a process of minutes or hours, started by tasks/jobs.py) is told: one JSON file, one of these models.

A job writes only under ``output``; ``result.json``, written last, says that it is done and holds its figures.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict

from schemas.runtime import EndpointRuntime, EngineRuntime, PlacementRuntime
from schemas.settings import (
    AgentSettings,
    BaseSettings,
    DapoSettings,
    EvaluationSettings,
    EvolutionSettings,
    IndexSettings,
    ModelSettings,
    RampSettings,
    SftSettings,
    TeacherSettings,
)
from schemas.snapshot import SnapshotName


class Job(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    output: str
    snapshot: SnapshotName


class IndexJob(Job):
    """``python -m tasks.indexing_job``: an index of the passages of these Parquet files, in their order."""

    settings: IndexSettings
    passages: list[str]


class SpanJob(Job):
    """``python -m tasks.ramp.name_spans``: a chat model names spans of these passages (paths by part)."""

    settings: RampSettings
    passages: dict[str, str]
    endpoint: EndpointRuntime
    fingerprint: str


class SurprisalJob(Job):
    """``python -m tasks.ramp.weigh``: the reference model weighs the spans of these passages (paths by part).

    ``proposals`` are the files of what a backend named in each part; None where links are the spans.
    """

    settings: RampSettings
    passages: dict[str, str]
    proposals: dict[str, list[str]] | None = None
    aliases: list[str]
    engine: EngineRuntime
    fingerprint: str


class NewModelJob(Job):
    """``python -m trainers.untrained``: random weights, or a model's folder fitted to the tokenizer."""

    tokenizer: str
    settings: ModelSettings


class TrainingJob(Job):
    """Common to all trainers. ``start`` is a model's folder (safetensors, config.json)."""

    tokenizer: str
    start: str
    ranks: int = 1
    threads_per_rank: int = 1
    keep_checkpoints: int = 2
    placement: PlacementRuntime = PlacementRuntime()


class PretrainJob(TrainingJob):
    """``python -m trainers.pretrain``: language modelling on the passages of these Parquet files."""

    settings: BaseSettings
    documents: list[str]


class TrajectorySource(BaseModel):
    """Judged trajectories; rows are drawn in proportion to ``weight``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    label: str
    paths: list[str]
    weight: float = 1.0


class SftJob(TrainingJob):
    """``python -m trainers.sft``."""

    settings: SftSettings
    sources: list[TrajectorySource]


class DapoJob(TrainingJob):
    """``python -m trainers.dapo``: questions of these Parquet files, live search in ``index``."""

    settings: DapoSettings
    agent: AgentSettings
    questions: list[str]
    index: str
    engine: EngineRuntime


class RolloutJob(Job):
    """``python -m tasks.rollouts.student``: a model answers questions; judged trajectories, in parts."""

    label: str
    model_name: str
    model: str
    tokenizer: str
    index: str
    questions: list[str]
    agent: AgentSettings
    settings: EvolutionSettings
    engine: EngineRuntime
    placement: PlacementRuntime = PlacementRuntime()
    fingerprint: str


class TeacherJob(Job):
    """``python -m tasks.rollouts.teach``: the multi-agent teacher answers questions through its endpoint."""

    label: str
    index: str
    questions: list[str]
    agent: AgentSettings
    settings: TeacherSettings
    endpoint: EndpointRuntime
    fingerprint: str


class Contestant(BaseModel):
    """One model under one way of retrieval, and the folder and recipe of its answers."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    model: str
    retrieval: str
    output: str
    fingerprint: str


class EvaluationJob(Job):
    """``python -m tasks.evaluation.answer``: every contestant answers the same questions, greedily and sampled."""

    contestants: list[Contestant]
    tokenizer: str
    index: str
    passages: list[str]
    questions: list[str]
    agent: AgentSettings
    settings: EvaluationSettings
    engine: EngineRuntime
    placement: PlacementRuntime = PlacementRuntime()


class JobResult(BaseModel):
    """``result.json``: written last, whole."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seconds: float
    figures: dict[str, Any]
