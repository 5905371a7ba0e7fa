"""Settings that may differ from run to run over the same data: workers, devices, paths. They change no fingerprint."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, field_validator, model_validator

from schemas.identity import Positive, Share
from schemas.paths import local_path

NotNegative = Annotated[float, Field(ge=0)]


class Runtime(BaseModel):
    """Settings that may differ from run to run over the same data: workers, devices, paths."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class EngineRuntime(Runtime):
    """The engines that generate text from a model's weights."""

    kind: Literal["vllm", "remote"] = "vllm"
    """`vllm` runs the model in this project's own processes; `remote` sends requests to servers."""
    urls: list[str] = []
    """`remote`: the base addresses of OpenAI-compatible servers of one model."""
    in_flight: Positive = 256
    """Trajectories that each engine or server works on at one time."""
    threads: Positive = 2
    """CPU threads of one engine."""
    cpu_cache_gb: Positive = 1
    """GiB of the key-value cache of an engine on CPUs."""
    gpu_memory_share: Share = 0.85
    """The share of a GPU's memory that an engine may use."""
    tensor_parallel: Positive = 1
    """Processes over which one engine splits the model, each on its own GPU."""

    @property
    def loads_models(self) -> bool:
        """Whether engines run the model that a job names; servers run their own."""
        return self.kind == "vllm"

    @model_validator(mode="after")
    def _servers_are_named_where_they_are_used(self) -> "EngineRuntime":
        if self.kind == "remote" and not self.urls:
            raise ValueError("kind remote needs urls: the addresses of OpenAI-compatible servers")
        if self.kind == "vllm" and self.urls:
            raise ValueError("urls would not be used, because kind vllm runs the model here: set kind: remote")
        return self


class EndpointRuntime(Runtime):
    """An OpenAI-compatible chat endpoint, for the multi-agent teacher or for spans."""

    url: str
    """The base address, such as http://host:8000/v1."""
    key_variable: str | None = None
    """The environment variable that holds the endpoint's key; null: requests carry no key."""
    timeout_seconds: Annotated[float, Field(gt=0)] = 120
    """Seconds after which a request has failed."""
    in_flight: Positive = 64
    """Requests to the endpoint at one time."""


class PlacementRuntime(Runtime):
    """Where the processes of rollout and training jobs run."""

    layout: Literal["together", "distributed", "shared"] = "together"
    """`together`: engine and index run in the job's own process, and ranks are processes beside it: one machine, no
    Ray. `distributed`: every rank, engine and searcher has its own place in a Ray cluster (RAY_ADDRESS) of any size.
    `shared`: as `distributed`, but DAPO's engines use the CPUs and GPUs reserved for its ranks and sleep while the
    ranks train, so that every GPU generates and trains in turns."""
    engines: Positive = 1
    """Engines of a job."""
    searchers: Positive = 1
    """Processes that hold the index and search it."""
    search_urls: list[str] = []
    """Addresses of search services for this snapshot's index (``masksearch serve``), used in place of searchers."""
    weights: Literal["folder", "broadcast", "ipc"] = "folder"
    """How new weights reach the engines. `folder`: through a folder that all machines see. `broadcast` (layout
    `distributed`): from rank 0 to all engines at once, with nccl if every rank and engine has its own GPU, else with
    gloo. `ipc` (layout `shared`): from each rank to the engine beside it, through CUDA's IPC or, on CPUs, shared
    memory. Engines that the other methods miss load the weights from a folder."""
    cpus_per_rank: NotNegative = 1
    """CPUs that Ray reserves for one rank."""
    gpus_per_rank: NotNegative = 0
    """GPUs that Ray reserves for one rank."""
    cpus_per_engine: NotNegative = 1
    """CPUs that Ray reserves for one process of an engine."""
    gpus_per_engine: NotNegative = 0
    """GPUs that Ray reserves for one process of an engine; ``engine.tensor_parallel`` is the number of processes."""
    cpus_per_searcher: NotNegative = 1
    """CPUs that Ray reserves for one searcher."""
    restarts: Annotated[int, Field(ge=0)] = 3
    """Restarts after a process died, at most: of one engine within an hour, of one searcher, or of all ranks
    together."""

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
    def _the_layout_can_move_weights_like_that(self) -> "PlacementRuntime":
        needed = {"broadcast": "distributed", "ipc": "shared"}.get(self.weights, self.layout)
        if self.layout != needed:
            raise ValueError(f"weights: {self.weights} works in layout {needed} only, and layout is {self.layout}")
        return self

    @model_validator(mode="after")
    def _a_gpu_is_shared_by_one_rank_and_one_engine(self) -> "PlacementRuntime":
        of_each = (self.gpus_per_rank, self.gpus_per_engine)
        if self.layout == "shared" and of_each not in ((0, 0), (1, 1)):
            raise ValueError(
                "in layout shared a rank and a process of an engine share one GPU, or both run on CPUs: set "
                f"gpus_per_rank ({of_each[0]:g}) and gpus_per_engine ({of_each[1]:g}) both to 1, or both to 0"
            )
        return self


class SupervisedJobs(Runtime):
    """Common to all backends of jobs: when a job is killed or started again (tasks/jobs)."""

    runs_here: ClassVar[bool] = False
    """Whether jobs are processes of this machine, which reads their files and keys."""

    restarts: Annotated[int, Field(ge=0)] = 2
    """Restarts of a job that died or was stuck, at most; the count begins anew when a run starts the job again."""
    stuck_after: Annotated[float, Field(ge=4)] = 60
    """Seconds without a heartbeat after which a job is killed, at least 4. A job sends a heartbeat every second; it has
    ten times as long for the first."""
    stalled_minutes: Annotated[float, Field(gt=0)] | None = 120
    """Minutes without progress (``progress.json``, ``metrics.jsonl``) after which a job is killed; null: never. Allow
    more than the longest step takes: DAPO reports progress once a step, the reference model once in 1,024 passages, and
    the building of an index reports none after its last passage."""
    stop_patience: NotNegative = 600
    """Seconds that a job has to save its state after a request to stop (Ctrl-C) before it is killed. A training
    finishes its current update and writes a checkpoint."""
    poll_seconds: Annotated[float, Field(gt=0)] = 0.5
    """Seconds between two looks at the job's state."""


class LocalJobs(SupervisedJobs):
    """Jobs are processes on the flow's own machine, and outlive the flow."""

    runs_here: ClassVar[bool] = True

    backend: Literal["local"] = "local"


class ClusterJobs(SupervisedJobs):
    """Common to jobs on a Ray cluster. Its nodes and the flow share a file system with the root and the code."""

    python: str = "python"
    """The Python command on the cluster's nodes."""
    poll_seconds: Annotated[float, Field(gt=0)] = 5
    """Seconds between two looks at the job's state."""
    working_dir: str
    """The folder in which a job starts: a checkout of this project, at its path on the cluster's nodes."""
    cpus: NotNegative = 1
    """CPUs that Ray reserves for the job's main process, in addition to its ranks, engines and searchers."""
    gpus: NotNegative = 0
    """GPUs that Ray reserves for the job's main process, in addition to its ranks and engines."""


class RayJobs(ClusterJobs):
    """Jobs are submitted to a running Ray cluster (Ray Jobs)."""

    backend: Literal["ray"] = "ray"
    address: str | None = None
    """The address of the cluster's job server (http://head:8265); null: a cluster on this machine. In the environment
    RAY_API_SERVER_ADDRESS, or else RAY_ADDRESS, overrides it."""


class Toleration(Runtime):
    """A Kubernetes toleration, which lets pods run on nodes with a taint."""

    key: str | None = None
    """The taint's key; null: all taints."""
    operator: Literal["Exists", "Equal"] = "Exists"
    """`Exists` accepts every value of the key; `Equal` compares it with `value`."""
    value: str | None = None
    """The taint's value, for `Equal`."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """The taint's effect; null: all effects."""

    @model_validator(mode="after")
    def _a_value_is_compared_with_a_keys(self) -> "Toleration":
        if (self.operator == "Equal") != (self.value is not None) or (self.value is not None and self.key is None):
            raise ValueError("operator Equal needs key and value; operator Exists reads no value, so remove it")
        return self


class PodRuntime(Runtime):
    """One pod of a Ray cluster on Kubernetes. Its requests are its limits as well."""

    cpus: Positive = 2
    """CPUs of the pod."""
    gpus: Annotated[int, Field(ge=0)] = 0
    """NVIDIA GPUs of the pod."""
    memory_gb: Positive = 8
    """GiB of memory."""
    shared_memory_gb: Positive = 2
    """GiB of ``memory_gb`` for /dev/shm, where Ray keeps its objects."""
    node_selector: dict[str, str] = Field(default_factory=dict)
    """Labels of the nodes on which the pod may run; empty: all nodes."""
    tolerations: list[Toleration] = Field(default_factory=list)
    """Taints of nodes on which the pod may run nevertheless."""


class PodGroup(PodRuntime):
    """A group of equal worker pods."""

    name: str
    """The group's name in the Ray cluster."""
    replicas: Positive = 1
    """Pods of the group."""


class KubeRayJobs(ClusterJobs):
    """Every job is a RayJob of the KubeRay operator, with its own Ray cluster that ends with the job."""

    backend: Literal["kuberay"] = "kuberay"
    namespace: str = "default"
    """The Kubernetes namespace of the RayJobs."""
    image: str
    """A container image with Ray and this project's dependencies (deploy/docker/Dockerfile)."""
    image_pull_secrets: list[str] = Field(default_factory=list)
    """Names of the Secrets with which the image is pulled."""
    service_account: str | None = None
    """The service account of the pods; null: the namespace's default."""
    ray_version: str = "2.60.0"
    """The Ray version in the image."""
    volume_claim: str
    """The claim of the shared volume that holds the root and the checkout."""
    mount: str
    """The path at which every pod mounts the volume: the same path as on the flow's machine."""
    secret: str | None = None
    """A Secret whose entries become environment variables of every pod (keys of endpoints); null: no Secret."""
    head: PodRuntime = PodRuntime()
    """The head pod."""
    workers: list[PodGroup] = Field(default_factory=list)
    """The groups of worker pods; empty: all processes run in the head pod."""


def _backend_of(settings: Any) -> str | None:
    """The backend's name, by default ``local``; None where the settings are malformed."""
    name = settings.get("backend", "local") if isinstance(settings, dict) else getattr(settings, "backend", None)
    return name if isinstance(name, str) else None


JobsRuntime = Annotated[
    Annotated[LocalJobs, Tag("local")] | Annotated[RayJobs, Tag("ray")] | Annotated[KubeRayJobs, Tag("kuberay")],
    Discriminator(
        _backend_of,
        custom_error_type="no_backend",
        custom_error_message="must be a mapping whose backend is local, ray or kuberay",
    ),
]
"""Where jobs run. A setting that the chosen backend would not read is refused."""


class RuntimeSettings(Runtime):
    """Where and with what a pipeline runs."""

    root: Annotated[str, Field(min_length=1)]
    """The folder or bucket (``s3://bucket/path``) of all output; a relative path starts at the working directory."""
    workers: Positive = 2
    """Processes over which data stages are spread."""
    ranks: Positive = 1
    """Ranks of a training."""
    threads_per_rank: Positive = 1
    """CPU threads of one rank."""
    engine: EngineRuntime = EngineRuntime()
    """The engines that generate text."""
    placement: PlacementRuntime = PlacementRuntime()
    """Where ranks, engines and searchers run."""
    jobs: JobsRuntime = LocalJobs()
    """Where jobs run: ``backend`` is `local`, `ray` or `kuberay`."""
    teacher_endpoint: EndpointRuntime | None = None
    """The chat endpoint of the multi-agent teacher; null where no such teacher is configured."""
    span_endpoint: EndpointRuntime | None = None
    """The chat endpoint that names spans (`ramp.spans.backend: llm`); null where another backend names them."""
    keep_checkpoints: Positive = 2
    """The number of newest checkpoints that a training keeps."""

    @field_validator("root")
    @classmethod
    def _a_path_of_this_machine_or_a_url(cls, root: str) -> str:
        return local_path(root)

    @model_validator(mode="after")
    def _every_rank_has_a_process_of_an_engine_beside_it(self) -> "RuntimeSettings":
        engines, processes = self.placement.engines, self.engine.tensor_parallel
        if self.placement.layout == "shared" and engines * processes != self.ranks:
            raise ValueError(
                f"placement.layout shared needs one rank for each process of an engine: {engines} engines "
                f"(placement.engines) of {processes} processes (engine.tensor_parallel) need {engines * processes} "
                f"ranks, and ranks is {self.ranks}"
            )
        return self
