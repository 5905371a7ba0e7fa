"""The configs of jobs: processes of minutes or hours, started by tasks/jobs, which read one JSON file each.

A job writes only under ``output``. It writes ``result.json`` last, which marks it as done and holds its figures.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from schemas.corpus_settings import IndexSettings, NamedSpanSettings, WeighingSettings
from schemas.evaluation_settings import DecodingSettings, Retrieval, Way
from schemas.protocol_settings import ProtocolSettings
from schemas.runtime import EndpointRuntime, EngineRuntime, PlacementRuntime
from schemas.settings import AgentSettings, AnyTeacher, ModelSettings
from schemas.snapshot import SnapshotName
from schemas.training_settings import (
    DapoSettings,
    EngineeringSettings,
    LanguageModellingSettings,
    SamplingSettings,
    SftSettings,
)


class Job(BaseModel):
    """Common to all jobs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    output: str
    """The job's folder."""
    snapshot: SnapshotName


class IndexJob(Job):
    """``python -m tasks.indexing.job``: builds an index of the passages in these Parquet files, in their order."""

    settings: IndexSettings
    passages: list[str]


class SpanJob(Job):
    """``python -m tasks.ramp.name_spans``: a chat model names spans in these passages (paths by part)."""

    settings: NamedSpanSettings
    passages: dict[str, str]
    endpoint: EndpointRuntime
    fingerprint: str


class SurprisalJob(Job):
    """``python -m tasks.ramp.weigh``: the reference model weighs the spans of these passages (paths by part).

    ``proposals`` are the files of the spans that a backend named, by part; None where links are the spans.
    """

    settings: WeighingSettings
    model: str
    """The folder of the reference model."""
    max_tokens: int
    """Tokens of the longest text that is weighed; the model's own limit applies as well."""
    passages: dict[str, str]
    proposals: dict[str, list[str]] | None = None
    aliases: list[str]
    engine: EngineRuntime
    fingerprint: str


class NewModelJob(Job):
    """``python -m trainers.untrained``: writes random weights, or a published model fitted to the tokenizer."""

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
    """``python -m trainers.pretrain``: language modelling on the passages in these Parquet files."""

    settings: LanguageModellingSettings
    documents: list[str]


class TrajectorySource(BaseModel):
    """Judged trajectories; rows are drawn in proportion to ``weight``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    label: str
    paths: list[str]
    weight: float = 1.0


class SftJob(TrainingJob):
    """``python -m trainers.sft``: supervised fine-tuning on the accepted trajectories of the sources."""

    settings: SftSettings
    sources: list[TrajectorySource]


class DapoJob(TrainingJob):
    """``python -m trainers.dapo``: DAPO on the questions in these Parquet files, with live search in ``index``."""

    settings: DapoSettings
    agent: AgentSettings
    questions: list[str]
    index: str
    engine: EngineRuntime


class RolloutJob(Job):
    """``python -m tasks.teachers.student``: a model answers questions; the judged trajectories are written in parts."""

    label: str
    model_name: str
    model: str
    tokenizer: str
    index: str
    questions: list[str]
    agent: AgentSettings
    settings: SamplingSettings
    engine: EngineRuntime
    placement: PlacementRuntime = PlacementRuntime()
    fingerprint: str


class TeacherJob(Job):
    """``python -m tasks.teachers.teach``: a teacher answers questions, request by request."""

    label: str
    tokenizer: str | None = None
    """The student's tokenizer, so that the teacher reads what the student would be shown; None without a student."""
    index: str
    questions: list[str]
    agent: AgentSettings
    settings: AnyTeacher
    endpoint: EndpointRuntime | None
    """Of the chat model; None for a teacher that asks none."""
    fingerprint: str


class Contestant(BaseModel):
    """One model with one retrieval method on one set, and the folder and fingerprint of its answers."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    model: str
    set: str
    way: Way
    retrieval: Retrieval
    protocol: ProtocolSettings | None = None
    """The protocol in which it answers; None for the pipeline's own."""
    output: str
    fingerprint: str


class EvaluationJob(Job):
    """``python -m tasks.evaluation.answer``: all contestants of a set answer the same questions, greedily and
    by sampling."""

    contestants: list[Contestant]
    tokenizer: str
    """The folder of the tokenizer that all of these contestants have."""
    index: str
    passages: list[str]
    questions: dict[str, str]
    """The files of the questions that are asked, by set."""
    agent: AgentSettings
    settings: DecodingSettings
    engine: EngineRuntime
    placement: PlacementRuntime = PlacementRuntime()


Victim = Literal["main process", "rank", "engine", "searcher"]
"""A kind of process of a job."""


class StrikeJob(Job):
    """``python -m trainers.acceptance.strikes``: kills processes of the training in the folder ``target`` as it runs.

    It kills one process of each kind in ``victims``, in this order, and waits after each until the training has made
    progress again.
    """

    target: str
    module: str
    """The training's program, such as trainers.dapo."""
    victims: list[Victim]
    after_step: int
    """The number of steps after which the first process is killed."""
    in_ray: bool
    """Whether processes of ``target`` run on a Ray cluster (RAY_ADDRESS), or on this machine alone."""


class RolloutRateJob(Job):
    """``python -m trainers.acceptance.rollouts``: measures for ``seconds`` how fast engines generate full turns."""

    model: str
    tokenizer: str
    index: str
    questions: list[str]
    agent: AgentSettings
    engine: EngineRuntime
    placement: PlacementRuntime
    seconds: float


class RetrievalLoadJob(Job):
    """``python -m trainers.acceptance.retrieval``: measures how long searches take under the load of a training step.

    It sends ``queries`` in all, ``in_flight`` at one time, spread over one client for each engine (``clients``), and
    starts no new query after ``seconds``.
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
    """``python -m trainers.throughput``: measures for ``seconds`` how fast the ranks train on packed rows.

    Sequences have up to ``longest`` tokens. No model is written.
    """

    engineering: EngineeringSettings
    longest: int
    seconds: float


class JobResult(BaseModel):
    """``result.json``, which a job writes last and atomically."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seconds: float
    figures: dict[str, Any]
