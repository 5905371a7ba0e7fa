"""Whether the machines that are to be tried hold the acceptance's models: asked before anything is written."""

from collections.abc import Sequence

from schemas.config import PipelineConfig
from tasks.capacity.devices import Machine, machines_of_cluster, this_machine
from tasks.capacity.model_shape import shape_from_nothing
from tasks.ledger.disk import of_trainings, refuse_no_room

_MODELS, _TRAININGS = 3, 2
"""Random weights, those of SFT and those of DAPO."""


def refuse_no_disk(small: PipelineConfig, size: str) -> None:
    """Raises BadInput where the acceptance's models and checkpoints do not fit on the disk of its root."""
    assert small.model is not None
    assert small.tokenizer is not None
    shape = shape_from_nothing(small.model, small.tokenizer.vocabulary or 0)
    checkpoints = small.runtime.keep_checkpoints
    needed = of_trainings(shape.parameters, _MODELS, _TRAININGS, checkpoints, shape.weight_bytes)
    refuse_no_room(
        small.runtime.root, needed, f"an acceptance of size {size}", "give a smaller --size, or another --root"
    )


def machines_of(small: PipelineConfig) -> Sequence[Machine]:
    """Those that its jobs will live on; none where only the cluster that takes the jobs knows them.

    Raises:
        BadInput: nothing answers at RAY_ADDRESS.
    """
    if not small.runtime.jobs.runs_here:
        return ()
    if not small.runtime.placement.is_in_cluster:
        return (this_machine(),)
    from tasks.capacity import ray_cluster

    ray_cluster.join(1)
    return machines_of_cluster()
