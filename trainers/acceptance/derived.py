"""The small pipeline derived from a user's config: its runtime and arithmetic, with a model of the requested size."""

import os
from pathlib import Path
from typing import Any, NamedTuple

from schemas.acceptance import Accelerator
from schemas.config import PipelineConfig
from schemas.config_files import parsed
from schemas.errors import BadInput
from schemas.jobs import Victim
from schemas.manifest import digest_of
from schemas.paths import scheme_of
from schemas.settings import AgentSettings
from schemas.sizes import SIZES
from schemas.training_settings import DapoSettings, SftSettings
from schemas.training_steps import DapoStep, SftStep
from tasks.ledger import storage
from tasks.rollouts.pool import in_flight

_TEMPLATE = Path(__file__).with_name("template.yaml")
_STEPS_PER_KILL = 5
_OTHER_STEPS = 3

_RATE = 0.25
"""The learning rate of SFT times the hidden size: divided by it, updates change logits equally for all sizes."""


def victims_of(config: PipelineConfig) -> list[Victim]:
    """The kinds of DAPO's processes in the config's placement that can be killed from here.

    The list is empty for KubeRay, because each of its jobs has a cluster of its own.
    """
    if config.runtime.jobs.backend == "kuberay":
        return []
    if not config.runtime.placement.is_in_cluster:
        return ["main process"]
    return ["engine", "searcher", "rank", "main process"]


def victims_of_sft(config: PipelineConfig) -> list[Victim]:
    """The kinds that only SFT has: in layout `together` DAPO is one process, but SFT may have ranks."""
    runtime = config.runtime
    is_alone = runtime.ranks == 1 or runtime.jobs.backend == "kuberay"
    return ["rank"] if not runtime.placement.is_in_cluster and not is_alone else []


def accepted_steps(config: PipelineConfig) -> tuple[SftSettings, DapoSettings]:
    """The steps of the config whose arithmetic is tested: the first of SFT and the first of DAPO.

    Raises:
        BadInput: there is no such step, or jobs cannot work with the config's root.
    """
    sft = next((step.settings for step in config.training if isinstance(step, SftStep)), None)
    dapo = next((step.settings for step in config.training if isinstance(step, DapoStep)), None)
    if sft is None or dapo is None:
        kind = "sft" if sft is None else "dapo"
        raise BadInput(f"{config.name}: accept tests training and needs a step of kind {kind}: add it to training")
    if scheme_of(config.runtime.root) is not None:
        raise BadInput(
            f"runtime.root: {config.runtime.root} is remote, but jobs need a file system that all nodes share: "
            "give a folder (--root)"
        )
    runtime = config.runtime
    layout = runtime.placement.layout
    if runtime.placement.is_in_cluster and runtime.jobs.runs_here and "RAY_ADDRESS" not in os.environ:
        raise BadInput(
            f"runtime.placement.layout is {layout}: set RAY_ADDRESS to the address of the cluster to test "
            "(without it every job would start a local cluster)"
        )
    return sft, dapo


def derived(config: PipelineConfig, size: str) -> PipelineConfig:
    """The pipeline of the acceptance, in a folder under ``{root}/acceptance`` that its settings name.

    Raises:
        BadInput: the size is unknown, or for the reasons given in `accepted_steps`.
    """
    if size not in SIZES:
        raise BadInput(f"size {size!r} is unknown: give one of {', '.join(SIZES)}")
    sft, dapo = accepted_steps(config)
    model = SIZES[size].model_copy(update={"dtype": dapo.engineering.dtype})
    rate = _RATE / model.hidden
    steps = _OTHER_STEPS + _STEPS_PER_KILL * len(victims_of(config))
    document: dict[str, Any] = parsed(_TEMPLATE.read_text())
    document["model"] = model.model_dump(mode="json")
    small_sft, small_dapo = document["training"]
    small_sft |= {"engineering": sft.engineering.model_dump(mode="json")}
    small_sft["optimiser"] |= {"lr": rate}
    small_dapo |= {
        "curriculum": [{"max_masks": 4, "steps": steps}],
        "engineering": dapo.engineering.model_dump(mode="json"),
        "parity_tolerance": dapo.parity_tolerance,
        "parity_tolerance_bf16": dapo.parity_tolerance_bf16,
        "staleness": dapo.staleness,
        "in_flight": dapo.in_flight,
    }
    small_dapo["optimiser"] |= {"lr": rate / 10}
    runtime = config.runtime.model_dump(mode="json", exclude={"teacher_endpoint", "span_endpoint"})
    runtime["placement"]["search_urls"] = []  # those services search the config's index, not the small world's
    name = f"{size}-{digest_of([document, runtime])[:8]}"
    document["runtime"] = {**runtime, "root": storage.join(config.runtime.root, "acceptance", name)}
    return PipelineConfig.model_validate(document)


class Devices(NamedTuple):
    """The kind of devices, and how many all ranks together and one engine have."""

    kind: Accelerator
    training: float
    engine: float


def devices_of(config: PipelineConfig) -> Devices:
    """GPUs if the placement requests some or this machine has them; otherwise CPU threads."""
    runtime = config.runtime
    placement = runtime.placement
    per_engine = runtime.engine.tensor_parallel
    if placement.is_in_cluster:
        has_gpus = bool(placement.gpus_per_rank or placement.gpus_per_engine)
    else:
        has_gpus = Path("/dev/nvidiactl").exists()
    if has_gpus:
        gpus_of_engine = per_engine * (placement.gpus_per_engine or 1)
        return Devices("GPU", runtime.ranks * (placement.gpus_per_rank or 1), gpus_of_engine)
    return Devices("CPU", runtime.ranks * runtime.threads_per_rank, per_engine * runtime.engine.threads)


def in_flight_of_step(config: PipelineConfig) -> int:
    """The rollouts that the config's DAPO has in flight at a time, limited by the capacity of the engines."""
    _, dapo = accepted_steps(config)
    wanted = dapo.prompts * dapo.group * (1 + dapo.staleness)
    return min(in_flight(config.runtime.engine, config.runtime.placement), wanted)


def rolling_agent(config: PipelineConfig, size: str) -> AgentSettings:
    """Agent settings of the measured rollouts: the config's, limited to the model's positions.

    The size tiny is for CPUs, where the config's lengths would take hours: it uses the small pipeline's lengths.
    """
    if size == "tiny":
        return AgentSettings.model_validate(parsed(_TEMPLATE.read_text())["agent"])
    return config.agent.model_copy(update={"max_tokens": min(config.agent.max_tokens, SIZES[size].max_position)})
