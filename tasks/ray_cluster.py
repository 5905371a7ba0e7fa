"""The Ray cluster that this process belongs to: that of RAY_ADDRESS, or a local one of its own."""

import logging
import math
import os
import signal
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from schemas.errors import BadInput


def join(cpus: int) -> None:
    """Join the cluster of RAY_ADDRESS, or start a local one of so many processors. Joining twice does no harm.

    Raises:
        BadInput: nothing answers at RAY_ADDRESS.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    # Ray would let its processes give way to all others: an engine is no less than the process that waits for it.
    os.environ.setdefault("RAY_worker_niceness", "0")
    import ray

    if ray.is_initialized():
        return
    address = os.environ.get("RAY_ADDRESS")
    # Without "local" Ray would join whatever cluster was last started on this machine, which nobody asked for.
    local = {"address": "local", "num_cpus": cpus, "include_dashboard": False}
    where: dict[str, Any] = {} if address else local
    try:
        ray.init(log_to_driver=False, logging_level=logging.ERROR, **where)
    except ConnectionError:
        raise BadInput(f"no Ray cluster answers at {address} (RAY_ADDRESS)") from None


@dataclass(frozen=True, slots=True)
class Need:
    """``count`` actors of a kind, each on one machine with so many processors and GPUs."""

    kind: str
    count: int
    cpus: float
    gpus: float


def join_for(needs: Sequence[Need]) -> None:
    """Join a cluster that can hold all of these actors, or start a local one.

    Raises:
        BadInput: the cluster is too small, or has no machine that is large enough for one of them.
    """
    import ray

    # Ray takes SIGTERM for itself when it is joined; a job ends by its own handler.
    handler = signal.getsignal(signal.SIGTERM)
    join(math.ceil(sum(need.count * need.cpus for need in needs)))
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, handler)
    whole = ray.cluster_resources()
    cpus, gpus = (sum(need.count * getattr(need, unit) for need in needs) for unit in ("cpus", "gpus"))
    if cpus > whole.get("CPU", 0) or gpus > whole.get("GPU", 0):
        raise BadInput(
            f"runtime.placement asks for {cpus:g} CPUs and {gpus:g} GPUs, but the Ray cluster holds "
            f"{whole.get('CPU', 0):g} and {whole.get('GPU', 0):g}: lower its numbers, or join a larger cluster"
        )
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    for need in needs:
        if not any(need.cpus <= each.get("CPU", 0) and need.gpus <= each.get("GPU", 0) for each in machines):
            raise BadInput(
                f"runtime.placement: no machine of the Ray cluster has the {need.cpus:g} CPUs and {need.gpus:g} GPUs "
                f"of one {need.kind}"
            )
