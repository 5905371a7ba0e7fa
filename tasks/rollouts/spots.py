"""The places of a training's ranks, where engines run beside them and take turns with them (layout ``shared``)."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from schemas.errors import BadInput

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Spot:
    """A node of the Ray cluster (its id), and one of its GPUs as CUDA_VISIBLE_DEVICES names it; None for the CPUs."""

    node: str
    gpu: str | None


def own_spot(device: "torch.device") -> Spot:
    """The spot of this process, a Ray worker that computes on ``device``."""
    import ray

    node = ray.get_runtime_context().get_node_id()
    if device.type != "cuda":
        return Spot(node, None)
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return Spot(node, visible.split(",")[device.index] if visible else str(device.index))


def spots_of_engines(spots: Sequence[Spot], processes: int) -> list[list[Spot]]:
    """The spots of ranks grouped by engine, ``processes`` spots each, in order.

    Raises:
        BadInput: an engine would span several machines.
    """
    engines = [list(spots[start : start + processes]) for start in range(0, len(spots), processes)]
    for engine in engines:
        if len({spot.node for spot in engine}) > 1:
            raise BadInput(
                f"runtime.placement.layout shared: the {processes} processes of an engine "
                "(runtime.engine.tensor_parallel) would be on several machines, as the ranks are: "
                "lower it to a divisor of the number of ranks on each machine"
            )
    return engines
