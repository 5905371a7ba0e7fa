"""``{root}/acceptance.json``: the results of `masksearch accept` on a cluster, and the rates that it measured."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

FILE = "acceptance.json"

Outcome = Literal["pass", "fail", "not tried"]
Accelerator = Literal["GPU", "CPU"]


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Item(_Document):
    """One check: ``value`` is what it measured, in ``unit``; ``detail`` describes the result in words."""

    name: str
    outcome: Outcome
    detail: str
    value: float | None = None
    unit: str = ""


class Rates(_Document):
    """Rates at the accepted size and placement; None: not measured. Devices are GPUs or, without GPUs, CPUs."""

    parameters: int
    accelerator: Accelerator
    training_devices: float
    """Devices of all ranks together."""
    engine_devices: float
    """Devices of one engine."""
    engines: int
    together: bool
    """Whether engine and trainer take turns on the same devices."""
    training_tokens_per_second: float | None = None
    """Tokens that all ranks together train on, forward and backward."""
    mfu: float | None = None
    """Model FLOPs utilisation: the share of `matrix_flops_per_second` that training reaches."""
    matrix_flops_per_second: float | None = None
    """Measured on one device."""
    generated_tokens_per_second: float | None = None
    """Tokens that one engine generates in multi-turn rollouts."""
    rollout_device_seconds: float | None = None
    """Engine devices times seconds of one rollout of the measured length."""
    update_seconds: float | None = None
    queries_per_second: float | None = None
    retrieval_p50_seconds: float | None = None
    retrieval_p99_seconds: float | None = None


class Acceptance(_Document):
    """``finished`` is in UTC; ``commit`` is the code's; ``devices`` are names of devices."""

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
