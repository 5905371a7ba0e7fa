"""Settings that may differ from run to run over the same data: workers, devices, paths. No part of any fingerprint."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from schemas.settings import Positive, Share


class Runtime(BaseModel):
    """Settings that may differ from run to run over the same data: workers, devices, paths."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class EngineRuntime(Runtime):
    kind: Literal["vllm", "remote"] = "vllm"
    url: str | None = None
    """Remote: the base address of an OpenAI-compatible server."""
    in_flight: Positive = 256
    threads: Positive = 2
    cpu_cache_gb: Positive = 1
    gpu_memory_share: Share = 0.85
    tensor_parallel: Positive = 1


class EndpointRuntime(Runtime):
    """An OpenAI-compatible chat endpoint for the multi-agent teacher. The key is read from the environment."""

    url: str
    key_variable: str | None = None
    timeout_seconds: Annotated[float, Field(gt=0)] = 120
    in_flight: Positive = 64


class RuntimeSettings(Runtime):
    root: str
    workers: Positive = 2
    ranks: Positive = 1
    threads_per_rank: Positive = 1
    engine: EngineRuntime = EngineRuntime()
    teacher_endpoint: EndpointRuntime | None = None
    keep_checkpoints: Positive = 2
