"""The Ray cluster that this process belongs to: that of RAY_ADDRESS, or a local one of its own."""

import logging
import os
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
