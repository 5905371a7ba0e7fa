"""How much disk models and their checkpoints take, and whether it is free, checked before the first write.

Like the estimates of memory (tasks/capacity/memory.py) these are lower bounds: a job that they refuse does not fit.
"""

import shutil
from pathlib import Path

from schemas.errors import BadInput
from tasks.capacity.memory import gigabytes
from tasks.ledger import storage

_ADAMW = 12
"""Bytes per weight in a checkpoint: the weight and both moments in fp32."""


def of_trainings(parameters: int, models: int, trainings: int, checkpoints: int, weight_bytes: int = 2) -> float:
    """Bytes of ``models`` models of this size, and of ``trainings`` trainings with ``checkpoints`` checkpoints each."""
    return parameters * (models * weight_bytes + trainings * checkpoints * _ADAMW)


def nearest(path: str) -> Path:
    """A local folder, or its nearest parent that exists."""
    absolute = Path(path).absolute()
    return next(folder for folder in (absolute, *absolute.parents) if folder.exists())


def refuse_no_room(root: str, needed: float, what: str, remedy: str) -> None:
    """Raises BadInput where the file system of a local root has fewer bytes free. Files in ``root`` count as free."""
    free = shutil.disk_usage(nearest(root)).free
    if needed <= free:
        return
    existing = sum(size for _, size in storage.tree_of(root)) if Path(root).is_dir() else 0
    if needed - existing > free:
        raise BadInput(
            f"{root}: {what} takes at least {gigabytes(needed)} GB on disk, and {gigabytes(free)} GB are free: {remedy}"
        )
