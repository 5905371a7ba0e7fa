"""``{root}/acceptance.json``: what `masksearch accept` found of a cluster, and at what rates it works."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

FILE = "acceptance.json"

Outcome = Literal["pass", "fail", "not tried"]
Accelerator = Literal["GPU", "CPU"]


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Item(_Document):
    """One thing that was tried: ``value`` is its number in ``unit``, ``detail`` says it in words."""

    name: str
    outcome: Outcome
    detail: str
    value: float | None = None
    unit: str = ""


class Rates(_Document):
    """Of the accepted size and placement; None is what was not measured. Devices are GPUs or, without any, CPUs."""

    parameters: int
    accelerator: Accelerator
    training_devices: float
    """Of all ranks."""
    engine_devices: float
    """Of one engine."""
    engines: int
    together: bool
    """Engine and trainer take turns on the same devices."""
    training_tokens_per_second: float | None = None
    """All ranks, forward and backward."""
    mfu: float | None = None
    matrix_flops_per_second: float | None = None
    """Of one device."""
    generated_tokens_per_second: float | None = None
    """Of one engine, in multi-turn rollouts."""
    rollout_device_seconds: float | None = None
    """Engine devices times seconds for one rollout as it was measured."""
    update_seconds: float | None = None
    queries_per_second: float | None = None
    retrieval_p50_seconds: float | None = None
    retrieval_p99_seconds: float | None = None


class Acceptance(_Document):
    """``finished`` is in UTC; ``commit`` that of the code; ``devices`` by name."""

    config: str
    size: str
    finished: str
    seconds: float
    commit: str
    devices: list[str]
    items: list[Item]
    rates: Rates

    @property
    def passed(self) -> bool:
        return not any(item.outcome == "fail" for item in self.items)
