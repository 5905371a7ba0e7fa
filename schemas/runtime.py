"""Settings that may differ from run to run over the same data: workers, devices, paths. No part of any fingerprint."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from schemas.settings import Positive, Share

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

    @model_validator(mode="after")
    def _servers_are_named_where_they_are_asked(self) -> "EngineRuntime":
        if self.kind == "remote" and not self.urls:
            raise ValueError("kind remote needs urls: the addresses of OpenAI-compatible servers")
        if self.kind == "vllm" and self.urls:
            raise ValueError("urls would not be used: kind vllm runs the model here; set kind: remote")
        return self


class EndpointRuntime(Runtime):
    """An OpenAI-compatible chat endpoint for the multi-agent teacher. The key is read from the environment."""

    url: str
    key_variable: str | None = None
    timeout_seconds: Annotated[float, Field(gt=0)] = 120
    in_flight: Positive = 64


class PlacementRuntime(Runtime):
    """Where the processes of rollout and training jobs live.

    `together`: engine and index live in the job's own process, ranks are processes beside it: one machine, no Ray.
    `split`: every rank, engine and searcher has a place of its own in a Ray cluster (RAY_ADDRESS), of any size.
    """

    layout: Literal["together", "split"] = "together"
    engines: Positive = 1
    searchers: Positive = 1
    """Processes that hold the index and search it."""
    cpus_per_rank: NotNegative = 1
    gpus_per_rank: NotNegative = 0
    cpus_per_engine: NotNegative = 1
    gpus_per_engine: NotNegative = 0
    """Of each of an engine's processes, where ``engine.tensor_parallel`` makes several."""
    cpus_per_searcher: NotNegative = 1
    restarts: Annotated[int, Field(ge=0)] = 3
    """How often one engine, one searcher, or the ranks together are started again after they died."""


class RuntimeSettings(Runtime):
    root: str
    workers: Positive = 2
    ranks: Positive = 1
    threads_per_rank: Positive = 1
    engine: EngineRuntime = EngineRuntime()
    placement: PlacementRuntime = PlacementRuntime()
    teacher_endpoint: EndpointRuntime | None = None
    keep_checkpoints: Positive = 2
