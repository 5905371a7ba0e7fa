"""Ray Data over the missing parts.

One Ray task works on each item, commits its part and returns the part's manifest. No key depends on Ray's blocks, and
no state of Ray's is needed to resume: finished parts are not submitted. A single item, or a single worker, runs in this
process without Ray.
"""

import logging
import os
import pickle
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from schemas.errors import MaskSearchError
from schemas.manifest import PartManifest
from tasks.capacity import ray_cluster

Item = TypeVar("Item")


def fan_out(
    items: Sequence[Item],
    work: Callable[[Item], PartManifest],
    workers: int,
    on_part: Callable[[PartManifest], None],
) -> None:
    """Work on every item, at most ``workers`` at once. ``on_part`` is called with each part when it is committed.

    Raises:
        Exception: the first error that ``work`` raised. Parts that were committed before it stay.
    """
    if len(items) <= 1 or workers == 1:
        for item in items:
            on_part(work(item))
        return
    ray_cluster.join(workers)
    import ray.data

    _quiet_data()

    def committed(row: dict[str, Any]) -> dict[str, bytes]:
        try:
            return {"part": pickle.dumps(work(pickle.loads(row["item"])))}
        except MaskSearchError as error:  # returned as data: Ray would wrap an exception in pages of tracebacks
            return {"part": pickle.dumps(error)}

    dataset = ray.data.from_items([{"item": pickle.dumps(item)} for item in items], override_num_blocks=len(items))
    at_once = ray.data.TaskPoolStrategy(size=workers)  # a limit of our own: a cluster may have CPUs for more tasks
    for row in dataset.map(committed, num_cpus=1, compute=at_once).iter_rows():
        part = pickle.loads(row["part"])
        if isinstance(part, MaskSearchError):
            raise part
        on_part(part)


def release() -> None:
    """Stop a local Ray, because its processes would take memory and CPUs from the next job."""
    if "ray" in sys.modules and not os.environ.get("RAY_ADDRESS"):
        import ray

        ray.shutdown()


def _quiet_data() -> None:
    """Make Ray Data log nothing and raise every error."""
    from ray.data import DataContext

    logging.getLogger("ray.data").setLevel(logging.ERROR)  # it logs every finished dataset
    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.max_errored_blocks = 0
    context.op_resource_reservation_enabled = False  # with few CPUs the reservation keeps one of them idle
