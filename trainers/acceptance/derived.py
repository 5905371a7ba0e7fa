"""The small pipeline that stands for a user's config: its runtime and arithmetic, a model of the size that is asked."""

import os
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from schemas.acceptance import Accelerator
from schemas.config import PipelineConfig
from schemas.errors import BadInput
from schemas.jobs import Victim
from schemas.manifest import digest_of
from schemas.paths import scheme_of
from schemas.settings import AgentSettings, DapoSettings, SftSettings
from schemas.sizes import SIZES
from tasks.ledger import storage
from tasks.rollouts.pool import in_flight

_TEMPLATE = Path(__file__).with_name("template.yaml")
_STEPS_A_KILL = 5
_STEPS_AROUND = 3

_RATE = 0.25
"""The learning rate of SFT, over the hidden size: logits then move alike, whatever the size."""


def victims_of(config: PipelineConfig) -> list[Victim]:
    """Which kinds of process DAPO consists of, as the config places it, and can be reached.

    A job of KubeRay has a cluster of its own.
    """
    if config.runtime.jobs.backend == "kuberay":
        return []
    if not config.runtime.placement.is_in_cluster:
        return ["main process"]
    return ["engine", "searcher", "rank", "main process"]


def victims_of_sft(config: PipelineConfig) -> list[Victim]:
    """Those that only SFT has: together, DAPO is one process."""
    runtime = config.runtime
    is_alone = runtime.ranks == 1 or runtime.jobs.backend == "kuberay"
    return ["rank"] if not runtime.placement.is_in_cluster and not is_alone else []


def accepted_sections(config: PipelineConfig) -> tuple[SftSettings, DapoSettings]:
    """The sections of the config whose arithmetic is tried.

    Raises:
        BadInput: one is missing, or jobs cannot work where the config keeps its files.
    """
    for name in ("sft", "dapo"):
        if getattr(config, name) is None:
            raise BadInput(f"{config.name}: accept tries what trains, and needs the section {name}, which is not there")
    if scheme_of(config.runtime.root) is not None:
        raise BadInput(
            f"runtime.root: {config.runtime.root} is remote, and jobs need files that all nodes share: "
            "give a folder (--root)"
        )
    runtime = config.runtime
    layout = runtime.placement.layout
    if runtime.placement.is_in_cluster and runtime.jobs.runs_here and "RAY_ADDRESS" not in os.environ:
        raise BadInput(
            f"runtime.placement.layout is {layout}: set RAY_ADDRESS to the cluster that is to be tried "
            "(without it every job would start a local one of its own)"
        )
    assert config.sft is not None
    assert config.dapo is not None
    return config.sft, config.dapo


def derived(config: PipelineConfig, size: str) -> PipelineConfig:
    """The pipeline to be run, under ``{root}/acceptance``, in a folder of its own for each way of accepting.

    Raises:
        BadInput: there is no such size, or as `accepted_sections` says.
    """
    if size not in SIZES:
        raise BadInput(f"size {size!r}: there are {', '.join(SIZES)}")
    sft, dapo = accepted_sections(config)
    model = SIZES[size].model_copy(update={"dtype": dapo.engineering.dtype})
    rate = _RATE / model.hidden
    steps = _STEPS_AROUND + _STEPS_A_KILL * len(victims_of(config))
    document: dict[str, Any] = yaml.safe_load(_TEMPLATE.read_text())
    document["model"] = model.model_dump(mode="json")
    document["sft"] |= {"engineering": sft.engineering.model_dump(mode="json")}
    document["sft"]["optimiser"] |= {"lr": rate}
    document["dapo"] |= {
        "curriculum": [{"max_masks": 4, "steps": steps}],
        "engineering": dapo.engineering.model_dump(mode="json"),
        "parity_tolerance": dapo.parity_tolerance,
        "parity_tolerance_bf16": dapo.parity_tolerance_bf16,
        "staleness": dapo.staleness,
        "in_flight": dapo.in_flight,
    }
    document["dapo"]["optimiser"] |= {"lr": rate / 10}
    runtime = config.runtime.model_dump(mode="json", exclude={"teacher_endpoint", "span_endpoint"})
    runtime["placement"]["search_urls"] = []  # these services search the config's index, not that of the small world
    name = f"{size}-{digest_of([document, runtime])[:8]}"
    document["runtime"] = {**runtime, "root": storage.join(config.runtime.root, "acceptance", name)}
    return PipelineConfig.model_validate(document)


class Devices(NamedTuple):
    """Of what kind, and how many of them all ranks and one engine have."""

    kind: Accelerator
    training: float
    engine: float


def devices_of(config: PipelineConfig) -> Devices:
    """GPUs, where the placement asks for some or this machine has them; else processors, by threads."""
    runtime = config.runtime
    placement = runtime.placement
    parts = runtime.engine.tensor_parallel
    if placement.is_in_cluster:
        has_gpus = bool(placement.gpus_per_rank or placement.gpus_per_engine)
    else:
        has_gpus = Path("/dev/nvidiactl").exists()
    if has_gpus:
        return Devices("GPU", runtime.ranks * (placement.gpus_per_rank or 1), parts * (placement.gpus_per_engine or 1))
    return Devices("CPU", runtime.ranks * runtime.threads_per_rank, parts * runtime.engine.threads)


def in_flight_of_step(config: PipelineConfig) -> int:
    """Rollouts that the config's DAPO has under way at one time, where the engines have room for them."""
    _, dapo = accepted_sections(config)
    wanted = dapo.prompts * dapo.group * (1 + dapo.staleness)
    return min(in_flight(config.runtime.engine, config.runtime.placement), wanted)


def rolling_agent(config: PipelineConfig, size: str) -> AgentSettings:
    """The lengths of the rollouts that are measured: the config's own, as far as the model's positions reach.

    A tiny model is for CPUs, where those would take hours: its lengths are the small pipeline's.
    """
    if size == "tiny":
        return AgentSettings.model_validate(yaml.safe_load(_TEMPLATE.read_text())["agent"])
    return config.agent.model_copy(update={"max_tokens": min(config.agent.max_tokens, SIZES[size].max_position)})
