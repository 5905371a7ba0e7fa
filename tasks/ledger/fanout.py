"""Ray Data over the parts that are missing.

Each item is worked on by one Ray task, which commits its own part and gives back the part's manifest. Nothing is keyed
on Ray's blocks, and nothing of Ray's is needed to resume: parts that are done are not handed to it. One item, or one
worker, needs no Ray and runs in this process.
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
    """Work on every item, at most ``workers`` at once; ``on_part`` hears of each part as it is committed.

    Raises:
        Exception: what ``work`` raised; parts committed before stay.
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
        except MaskSearchError as error:  # travels as data: Ray would wrap it in pages of its own
            return {"part": pickle.dumps(error)}

    dataset = ray.data.from_items([{"item": pickle.dumps(item)} for item in items], override_num_blocks=len(items))
    at_once = ray.data.TaskPoolStrategy(size=workers)  # a cluster may have processors for more
    for row in dataset.map(committed, num_cpus=1, compute=at_once).iter_rows():
        part = pickle.loads(row["part"])
        if isinstance(part, MaskSearchError):
            raise part
        on_part(part)


def release() -> None:
    """End a local Ray, whose processes would take memory and processors from the job that comes next."""
    if "ray" in sys.modules and not os.environ.get("RAY_ADDRESS"):
        import ray

        ray.shutdown()


def _quiet_data() -> None:
    """Ray Data says nothing of its own, and passes every error on."""
    from ray.data import DataContext

    logging.getLogger("ray.data").setLevel(logging.ERROR)  # it tells of every dataset that it has finished
    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.max_errored_blocks = 0
    context.op_resource_reservation_enabled = False  # with few processors it keeps one of them idle
