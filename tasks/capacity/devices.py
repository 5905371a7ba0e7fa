"""The memory available for models, on this machine and on every machine of the Ray cluster."""

import importlib.metadata
import math
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import psutil

_CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
_MIB = 2.0**20


@dataclass(frozen=True, slots=True)
class Machine:
    """Memory in bytes. ``memory`` is available to programs; ``gpus`` is the memory of each GPU, free or in use."""

    memory: float
    gpus: tuple[float, ...] = ()


def this_machine() -> Machine:
    """The memory that is free on this machine, within the container's limit. No GPUs if torch is built for CPUs."""
    free = float(psutil.virtual_memory().available)
    limits = [float(text) for path in _CGROUP_LIMITS if (text := _text_of(path)).isdigit()]
    gpus = () if importlib.metadata.version("torch").endswith("+cpu") else gpu_memory()
    return Machine(min([free, *limits]), gpus)


def gpu_memory() -> tuple[float, ...]:
    """The memory in bytes of each GPU of this machine that CUDA_VISIBLE_DEVICES allows, as nvidia-smi reports it."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen == "":
        return ()
    words = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        report = subprocess.run(
            [*words, *(["-i", chosen] if chosen else [])], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return ()
    return tuple(float(line) * _MIB for line in report.stdout.split())


def machines_of_cluster() -> list[Machine]:
    """The machines of the Ray cluster that this process has joined. A GPU of unknown memory counts as large enough."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    nodes = [node for node in ray.nodes() if node["Alive"]]
    counts = [int(node["Resources"].get("GPU", 0)) for node in nodes]
    query = ray.remote(num_cpus=0)(gpu_memory)  # no CPU reserved: it must run on a node that is full, too
    queries = {
        node["NodeID"]: query.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False))
        for node, count in zip(nodes, counts, strict=True)
        if count
    }
    memory = dict(zip(queries, ray.get([task.remote() for task in queries.values()]), strict=True))
    return [
        Machine(node["Resources"].get("memory", math.inf), (min(memory.get(node["NodeID"]) or (math.inf,)),) * count)
        for node, count in zip(nodes, counts, strict=True)
    ]


def _text_of(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""
