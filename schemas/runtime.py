"""Settings that may differ from run to run over the same data: workers, devices, paths. No part of any fingerprint."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, field_validator, model_validator

from schemas.identity import Positive, Share
from schemas.paths import local_path

NotNegative = Annotated[float, Field(ge=0)]


class Runtime(BaseModel):
    """Settings that may differ from run to run over the same data: workers, devices, paths."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class EngineRuntime(Runtime):
    kind: Literal["vllm", "remote"] = "vllm"
    urls: list[str] = []
    """Remote: the base addresses of OpenAI-compatible servers of one model."""
    in_flight: Positive = 256
    """Trajectories at one time, of every engine or server."""
    threads: Positive = 2
    cpu_cache_gb: Positive = 1
    gpu_memory_share: Share = 0.85
    tensor_parallel: Positive = 1

    @property
    def loads_models(self) -> bool:
        """Whether engines run the model that a job names; servers run their own."""
        return self.kind == "vllm"

    @model_validator(mode="after")
    def _servers_are_named_where_they_are_asked(self) -> "EngineRuntime":
        if self.kind == "remote" and not self.urls:
            raise ValueError("kind remote needs urls: the addresses of OpenAI-compatible servers")
        if self.kind == "vllm" and self.urls:
            raise ValueError("urls would not be used: kind vllm runs the model here; set kind: remote")
        return self


class EndpointRuntime(Runtime):
    """An OpenAI-compatible chat endpoint, for the multi-agent teacher or for spans. Its key is in the environment."""

    url: str
    key_variable: str | None = None
    timeout_seconds: Annotated[float, Field(gt=0)] = 120
    in_flight: Positive = 64


class PlacementRuntime(Runtime):
    """Where the processes of rollout and training jobs live.

    `together`: engine and index live in the job's own process, ranks are processes beside it: one machine, no Ray.
    `distributed`: each rank, engine and searcher has its own place in a Ray cluster (RAY_ADDRESS) of any size.
    `shared`: as `distributed`, but the engines of DAPO live beside its ranks, on the resources reserved for the ranks,
    and sleep while the ranks train: every GPU generates and trains in turns.
    """

    layout: Literal["together", "distributed", "shared"] = "together"
    engines: Positive = 1
    searchers: Positive = 1
    """Processes that hold the index and search it."""
    search_urls: list[str] = []
    """Instead of these: the addresses of search services of this snapshot's index (``masksearch serve``)."""
    weights: Literal["folder", "broadcast", "ipc"] = "folder"
    """How new weights reach the engines. `folder`: by a folder that all machines see. `broadcast` (`distributed` only):
    from rank 0 to all engines at once (nccl where every rank and engine has its own GPU, else gloo). `ipc` (`shared`
    only): from each rank to the engine beside it (CUDA's IPC; shared memory on CPUs). Engines that the other methods
    miss load the weights from a folder."""
    cpus_per_rank: NotNegative = 1
    gpus_per_rank: NotNegative = 0
    cpus_per_engine: NotNegative = 1
    gpus_per_engine: NotNegative = 0
    """Of each of an engine's processes, where ``engine.tensor_parallel`` makes several."""
    cpus_per_searcher: NotNegative = 1
    restarts: Annotated[int, Field(ge=0)] = 3
    """How often one engine within an hour, one searcher, or the ranks together are started again after they died."""

    @field_validator("layout", mode="before")
    @classmethod
    def _former_name(cls, layout: Any) -> Any:
        if layout == "split":
            raise ValueError("split is named distributed now")
        return layout

    @property
    def is_in_cluster(self) -> bool:
        """Whether processes live in a Ray cluster."""
        return self.layout != "together"

    @property
    def takes_turns(self) -> bool:
        """Whether engines sleep while ranks train, and ranks wait while engines generate."""
        return self.layout == "shared"

    @model_validator(mode="after")
    def _weights_go_a_way_that_there_is(self) -> "PlacementRuntime":
        needed = {"broadcast": "distributed", "ipc": "shared"}.get(self.weights, self.layout)
        if self.layout != needed:
            raise ValueError(f"weights: {self.weights} needs layout {needed}, not {self.layout}")
        return self

    @model_validator(mode="after")
    def _a_gpu_is_shared_by_one_rank_and_one_engine(self) -> "PlacementRuntime":
        of_each = (self.gpus_per_rank, self.gpus_per_engine)
        if self.layout == "shared" and of_each not in ((0, 0), (1, 1)):
            raise ValueError(
                "in layout shared a rank and a process of an engine have one GPU together, or none: set gpus_per_rank "
                f"({of_each[0]:g}) and gpus_per_engine ({of_each[1]:g}) both to 1, or both to 0"
            )
        return self


class SupervisedJobs(Runtime):
    """Common to all places where jobs run: when a job is ended or started again (tasks/jobs)."""

    runs_here: ClassVar[bool] = False
    """Whether jobs are processes of this machine, which reads their files and keys."""

    restarts: Annotated[int, Field(ge=0)] = 2
    """How often a job that died or was stuck is started again after somebody last started it."""
    stuck_after: Annotated[float, Field(ge=4)] = 60
    """Seconds without a heartbeat (there is one a second) after which a job is killed; before the first, ten times."""
    stalled_minutes: Annotated[float, Field(gt=0)] | None = 120
    """Minutes without progress (``progress.json``, ``metrics.jsonl``) after which a job is killed; null: never. Set
    more than the longest step takes: DAPO tells of its progress once a step, the reference model once in 1,024
    passages, an index no more after its last passage."""
    stop_patience: NotNegative = 600
    """Seconds that a job has to save its state once somebody told it to stop (Ctrl-C); then it is killed. A training
    ends the update that it is at, and writes a checkpoint."""
    poll_seconds: Annotated[float, Field(gt=0)] = 0.5
    """How often the watcher looks."""


class LocalJobs(SupervisedJobs):
    """Jobs are processes of the machine that the flow runs on, and outlive it."""

    runs_here: ClassVar[bool] = True

    backend: Literal["local"] = "local"


class ClusterJobs(SupervisedJobs):
    """Common to the jobs of a Ray cluster. Its nodes and the flow share a file system: the root and the code on it."""

    python: str = "python"
    poll_seconds: Annotated[float, Field(gt=0)] = 5
    working_dir: str
    """Where the entry point is started: a checkout of this project, as the cluster's nodes see it."""
    cpus: NotNegative = 1
    gpus: NotNegative = 0
    """What Ray reserves for the job's main process. Its ranks and engines (``placement.layout: distributed``) are
    reserved in addition."""


class RayJobs(ClusterJobs):
    """Jobs are submitted to a Ray cluster that is there (Ray Jobs)."""

    backend: Literal["ray"] = "ray"
    address: str | None = None
    """Of its job server (http://head:8265); RAY_API_SERVER_ADDRESS or RAY_ADDRESS in the environment take its place."""


class Toleration(Runtime):
    """Of a taint that nodes have; without a key of all."""

    key: str | None = None
    operator: Literal["Exists", "Equal"] = "Exists"
    value: str | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None

    @model_validator(mode="after")
    def _a_value_is_compared_with_a_keys(self) -> "Toleration":
        if (self.operator == "Equal") != (self.value is not None) or (self.value is not None and self.key is None):
            raise ValueError("operator Equal needs key and value, and Exists reads no value")
        return self


class PodRuntime(Runtime):
    """One pod of a Ray cluster on Kubernetes. Requests are limits."""

    cpus: Positive = 2
    gpus: Annotated[int, Field(ge=0)] = 0
    memory_gb: Positive = 8
    shared_memory_gb: Positive = 2
    """Of ``memory_gb``: /dev/shm, where Ray keeps its objects."""
    node_selector: dict[str, str] = Field(default_factory=dict)
    tolerations: list[Toleration] = Field(default_factory=list)


class PodGroup(PodRuntime):
    name: str
    replicas: Positive = 1


class KubeRayJobs(ClusterJobs):
    """Every job is a RayJob of the KubeRay operator, with a cluster of its own that ends with it."""

    backend: Literal["kuberay"] = "kuberay"
    namespace: str = "default"
    image: str
    """With Ray and what this project needs installed (deploy/docker/Dockerfile)."""
    image_pull_secrets: list[str] = Field(default_factory=list)
    service_account: str | None = None
    ray_version: str = "2.60.0"
    volume_claim: str
    """The claim of the shared volume that holds root and checkout …"""
    mount: str
    """… and where it is mounted in every pod: the path under which the flow has it."""
    secret: str | None = None
    """A Secret whose entries are environment variables of every pod (keys of endpoints)."""
    head: PodRuntime = PodRuntime()
    workers: list[PodGroup] = Field(default_factory=list)


def _backend_of(settings: Any) -> str | None:
    """``local`` need not be said; None where it cannot be told."""
    told = settings.get("backend", "local") if isinstance(settings, dict) else getattr(settings, "backend", None)
    return told if isinstance(told, str) else None


JobsRuntime = Annotated[
    Annotated[LocalJobs, Tag("local")] | Annotated[RayJobs, Tag("ray")] | Annotated[KubeRayJobs, Tag("kuberay")],
    Discriminator(
        _backend_of,
        custom_error_type="no_backend",
        custom_error_message="must be a mapping whose backend is local, ray or kuberay",
    ),
]
"""Where jobs run: a setting that the chosen backend would not read is refused."""


class RuntimeSettings(Runtime):
    root: Annotated[str, Field(min_length=1)]
    workers: Positive = 2
    ranks: Positive = 1
    threads_per_rank: Positive = 1
    engine: EngineRuntime = EngineRuntime()
    placement: PlacementRuntime = PlacementRuntime()
    jobs: JobsRuntime = LocalJobs()
    teacher_endpoint: EndpointRuntime | None = None
    span_endpoint: EndpointRuntime | None = None
    keep_checkpoints: Positive = 2

    @field_validator("root")
    @classmethod
    def _a_path_of_this_machine_or_a_url(cls, root: str) -> str:
        return local_path(root)

    @model_validator(mode="after")
    def _every_rank_has_a_part_of_an_engine_beside_it(self) -> "RuntimeSettings":
        engines, parts = self.placement.engines, self.engine.tensor_parallel
        if self.placement.layout == "shared" and engines * parts != self.ranks:
            raise ValueError(
                f"placement.layout shared: {engines} engines (placement.engines) of {parts} processes "
                f"(engine.tensor_parallel) live beside {engines * parts} ranks, not beside {self.ranks} (ranks)"
            )
        return self
