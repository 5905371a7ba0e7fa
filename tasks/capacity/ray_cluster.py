"""The Ray cluster that this process joins: the one at RAY_ADDRESS, or its own local one."""

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
    """Join the cluster at RAY_ADDRESS, or start a local one with ``cpus`` CPUs. A second call has no effect.

    Raises:
        BadInput: no cluster answers at RAY_ADDRESS.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    # Ray would lower the priority of its processes. An engine is as important as the process that waits for it.
    os.environ.setdefault("RAY_worker_niceness", "0")
    import ray

    if ray.is_initialized():
        return
    address = os.environ.get("RAY_ADDRESS")
    # Without "local" Ray would join the cluster that was last started on this machine, which may be another user's.
    local = {"address": "local", "num_cpus": cpus, "include_dashboard": False}
    where: dict[str, Any] = {} if address else local
    # Ray installs a SIGTERM handler that ends the process wherever it is, for example with a lock of `logging` held,
    # for which its other threads then wait for ever. A job needs its own handler, and a flow Prefect's, which stops
    # the flow's job.
    handler = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(log_to_driver=False, logging_level=logging.ERROR, **where)
    except ConnectionError:
        raise BadInput(f"no Ray cluster answers at {address} (RAY_ADDRESS): start it, or correct the address") from None
    finally:
        if threading.current_thread() is threading.main_thread():  # Python allows no other thread to set handlers
            signal.signal(signal.SIGTERM, handler)


@dataclass(frozen=True, slots=True)
class Need:
    """``count`` actors of a kind. Each needs ``cpus`` CPUs and ``gpus`` GPUs on one machine."""

    kind: str
    count: int
    cpus: float
    gpus: float

    def places_on(self, cpus: float, gpus: float) -> float:
        """The number of these actors that an empty machine with this many CPUs and GPUs can hold."""
        room = [math.floor(has / needs) for has, needs in ((cpus, self.cpus), (gpus, self.gpus)) if needs]
        return min(room, default=math.inf)


def join_for(needs: Sequence[Need]) -> None:
    """Join a cluster that can hold all of these actors, or start a local one.

    Raises:
        BadInput: the cluster is too small, or none of its machines is large enough for one of them.
    """
    import ray

    join(math.ceil(sum(need.count * need.cpus for need in needs)))
    refuse_what_has_no_place(needs, [node["Resources"] for node in ray.nodes() if node["Alive"]])


def refuse_what_has_no_place(needs: Sequence[Need], machines: Sequence[Mapping[str, float]]) -> None:
    """Raises BadInput where machines with these resources (Ray's names) cannot hold all actors of a kind, or all kinds
    together."""
    total = {name: sum(machine.get(name, 0) for machine in machines) for name in ("CPU", "GPU")}
    cpus, gpus = (sum(need.count * getattr(need, unit) for need in needs) for unit in ("cpus", "gpus"))
    if cpus > total["CPU"] or gpus > total["GPU"]:
        raise BadInput(
            f"runtime.placement asks for {cpus:g} CPUs and {gpus:g} GPUs, but the Ray cluster has "
            f"{total['CPU']:g} and {total['GPU']:g}: lower the numbers in runtime.placement, or join a larger cluster"
        )
    for need in needs:
        places = sum(need.places_on(each.get("CPU", 0), each.get("GPU", 0)) for each in machines)
        if places < need.count:
            raise BadInput(
                f"runtime.placement: the machines of the Ray cluster have room for {places:g} of the {need.count} "
                f"processes of kind {need.kind}, each with {need.cpus:g} CPUs and {need.gpus:g} GPUs on one machine: "
                "lower the numbers in runtime.placement, or join a cluster with larger machines"
            )
