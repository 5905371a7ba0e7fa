"""The Ray cluster that this process belongs to: that of RAY_ADDRESS, or a local one of its own."""

import logging
import math
import os
import signal
import threading
from collections.abc import Mapping, Sequence
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
    # Ray takes SIGTERM for itself, and ends the process wherever that finds it, in a lock of `logging`, say, for which
    # the rest then waits for ever. A job ends by its own handler, and a flow by Prefect's, which stops its job.
    handler = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(log_to_driver=False, logging_level=logging.ERROR, **where)
    except ConnectionError:
        raise BadInput(f"no Ray cluster answers at {address} (RAY_ADDRESS)") from None
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)


@dataclass(frozen=True, slots=True)
class Need:
    """``count`` actors of a kind, each on one machine with so many processors and GPUs."""

    kind: str
    count: int
    cpus: float
    gpus: float

    def places_on(self, cpus: float, gpus: float) -> float:
        """How many of them a machine with so many processors and GPUs holds, if nothing else is on it."""
        room = [math.floor(there / asked) for there, asked in ((cpus, self.cpus), (gpus, self.gpus)) if asked]
        return min(room, default=math.inf)


def join_for(needs: Sequence[Need]) -> None:
    """Join a cluster that can hold all of these actors, or start a local one.

    Raises:
        BadInput: the cluster is too small, or has no machine that is large enough for one of them.
    """
    import ray

    join(math.ceil(sum(need.count * need.cpus for need in needs)))
    refuse_what_has_no_place(needs, [node["Resources"] for node in ray.nodes() if node["Alive"]])


def refuse_what_has_no_place(needs: Sequence[Need], machines: Sequence[Mapping[str, float]]) -> None:
    """Raises BadInput where machines with these resources (Ray's names) cannot hold all of a kind, or all kinds."""
    there = {name: sum(machine.get(name, 0) for machine in machines) for name in ("CPU", "GPU")}
    cpus, gpus = (sum(need.count * getattr(need, unit) for need in needs) for unit in ("cpus", "gpus"))
    if cpus > there["CPU"] or gpus > there["GPU"]:
        raise BadInput(
            f"runtime.placement asks for {cpus:g} CPUs and {gpus:g} GPUs, but the Ray cluster holds "
            f"{there['CPU']:g} and {there['GPU']:g}: lower its numbers, or join a larger cluster"
        )
    for need in needs:
        places = sum(need.places_on(each.get("CPU", 0), each.get("GPU", 0)) for each in machines)
        if places < need.count:
            raise BadInput(
                f"runtime.placement: the machines of the Ray cluster have place for {places:g} of the {need.count} "
                f"processes of kind {need.kind}, each with {need.cpus:g} CPUs and {need.gpus:g} GPUs of one machine"
            )
