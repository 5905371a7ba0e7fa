"""What a job (a process of minutes or hours, started by tasks/jobs.py) is told: one JSON file, one of these models.

A job writes only under ``output``; ``result.json``, written last, says that it is done and holds its figures.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from schemas.corpus_settings import IndexSettings, NamedSpanSettings, WeighingSettings
from schemas.runtime import EndpointRuntime, EngineRuntime, PlacementRuntime
from schemas.settings import (
    AgentSettings,
    AnyTeacher,
    BaseSettings,
    DapoSettings,
    EngineeringSettings,
    EvaluationSettings,
    ModelSettings,
    SftSettings,
    StudentSettings,
)
from schemas.snapshot import SnapshotName


class Job(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    output: str
    snapshot: SnapshotName


class IndexJob(Job):
    """``python -m tasks.indexing.job``: an index of the passages of these Parquet files, in their order."""

    settings: IndexSettings
    passages: list[str]


class SpanJob(Job):
    """``python -m tasks.ramp.name_spans``: a chat model names spans of these passages (paths by part)."""

    settings: NamedSpanSettings
    passages: dict[str, str]
    endpoint: EndpointRuntime
    fingerprint: str


class SurprisalJob(Job):
    """``python -m tasks.ramp.weigh``: the reference model weighs the spans of these passages (paths by part).

    ``proposals`` are the files of what a backend named in each part; None where links are the spans.
    """

    settings: WeighingSettings
    model: str
    """The folder of the reference model."""
    max_tokens: int
    """Spans whose text is longer, or longer than the model reads, are not weighed."""
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
    """``python -m tasks.teachers.student``: a model answers questions; judged trajectories, in parts."""

    label: str
    model_name: str
    model: str
    tokenizer: str
    index: str
    questions: list[str]
    agent: AgentSettings
    settings: StudentSettings
    engine: EngineRuntime
    placement: PlacementRuntime = PlacementRuntime()
    fingerprint: str


class TeacherJob(Job):
    """``python -m tasks.teachers.teach``: a teacher answers questions, request by request."""

    label: str
    tokenizer: str | None = None
    """The student's: the teacher reads what that one would be shown. None where there is no student."""
    index: str
    questions: list[str]
    agent: AgentSettings
    settings: AnyTeacher
    endpoint: EndpointRuntime | None
    """Of the chat model; None for a teacher that asks none."""
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


Victim = Literal["main process", "rank", "engine", "searcher"]
"""A kind of process of a job."""


class StrikeJob(Job):
    """``python -m trainers.acceptance.strikes``: while the training in the folder ``target`` runs, processes of it die.

    One of each kind of ``victims``, in this order, each when the training has gone on after the one before.
    """

    target: str
    module: str
    """The program that works on ``target``."""
    victims: list[Victim]
    after_step: int
    """The first one dies after so many steps."""
    in_ray: bool
    """Whether processes of ``target`` are on the nodes of a Ray cluster (RAY_ADDRESS), or on this machine alone."""


class RolloutRateJob(Job):
    """``python -m trainers.acceptance.rollouts``: how fast engines write in rollouts of full turns, for ``seconds``."""

    model: str
    tokenizer: str
    index: str
    questions: list[str]
    agent: AgentSettings
    engine: EngineRuntime
    placement: PlacementRuntime
    seconds: float


class RetrievalLoadJob(Job):
    """``python -m trainers.acceptance.retrieval``: how long searches take under the load of a training step.

    ``queries`` in all, ``in_flight`` at one time, shared out to as many ``clients`` as there are engines; nothing new
    is asked after ``seconds``.
    """

    index: str
    questions: list[str]
    agent: AgentSettings
    placement: PlacementRuntime
    clients: int
    in_flight: int
    queries: int
    seconds: float


class TrainingRateJob(TrainingJob):
    """``python -m trainers.throughput``: how fast the ranks train on packed rows, for ``seconds``; no model is written.

    Sequences have up to ``longest`` tokens.
    """

    engineering: EngineeringSettings
    longest: int
    seconds: float


class JobResult(BaseModel):
    """``result.json``: written last, whole."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seconds: float
    figures: dict[str, Any]
