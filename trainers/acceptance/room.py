"""Whether the acceptance's models fit on the tested machines, checked before anything is written."""

from collections.abc import Sequence

from schemas.config import PipelineConfig
from tasks.capacity.devices import Machine, machines_of_cluster, this_machine
from tasks.capacity.model_shape import shape_from_nothing
from tasks.ledger.disk import of_trainings, refuse_no_room

_MODELS, _TRAININGS = 3, 2
"""Three models: random weights, SFT's and DAPO's. Two trainings: SFT and DAPO."""


def refuse_no_disk(small: PipelineConfig, size: str) -> None:
    """Raises BadInput if the acceptance's models and checkpoints do not fit on the disk of its root."""
    assert small.model is not None
    assert small.tokenizer is not None
    shape = shape_from_nothing(small.model, small.tokenizer.vocabulary or 0)
    checkpoints = small.runtime.keep_checkpoints
    needed = of_trainings(shape.parameters, _MODELS, _TRAININGS, checkpoints, shape.weight_bytes)
    refuse_no_room(
        small.runtime.root, needed, f"an acceptance of size {size}", "give a smaller --size, or another --root"
    )


def machines_of(small: PipelineConfig) -> Sequence[Machine]:
    """The machines that the acceptance's jobs run on; empty if only the cluster that runs the jobs knows them.

    Raises:
        BadInput: no Ray cluster answers at RAY_ADDRESS.
    """
    if not small.runtime.jobs.runs_here:
        return ()
    if not small.runtime.placement.is_in_cluster:
        return (this_machine(),)
    from tasks.capacity import ray_cluster

    ray_cluster.join(1)
    return machines_of_cluster()
