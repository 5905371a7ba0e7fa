"""What a checkpoint is of: a model, by its config and the shapes of its weights, and a training, by its settings."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from schemas.errors import BadInput
from schemas.jobs import DapoJob, PretrainJob, SftJob
from tasks.capacity.model_shape import ModelShape, config_of
from tasks.ledger.ledger import changed_fields

CHECKPOINTS, MANIFEST, ORIGIN = "checkpoints", "manifest.json", "origin"

_OF_NO_ACCOUNT = ("transformers_version", "_name_or_path", "dtype", "torch_dtype", "use_cache")
_TOLD = 3


def origin_of(job: PretrainJob | SftJob | DapoJob) -> dict[str, Any]:
    """Of every checkpoint of this job. Settings at their defaults are left out, as in a stage's fingerprint."""
    config = {name: value for name, value in config_of(job.start).items() if name not in _OF_NO_ACCOUNT}
    agent = {"agent": job.agent.model_dump(mode="json", exclude_defaults=True)} if isinstance(job, DapoJob) else {}
    return {
        "model": {**config, "weights": ModelShape.read(job.start).weights},
        "settings": job.settings.model_dump(mode="json", exclude_defaults=True),
        **agent,
    }


def refuse_other_checkpoints(job: PretrainJob | SftJob | DapoJob) -> None:
    """Raises BadInput where the job's folder holds a checkpoint of another model or training; it says what differs."""
    wanted = origin_of(job)
    for path in sorted(Path(job.output, CHECKPOINTS).glob(f"step-*/{MANIFEST}")):
        known = None
        with suppress(OSError, ValueError):  # a damaged one is passed over where it would be loaded
            known = json.loads(path.read_text()).get(ORIGIN)
        differences = changed_fields(known, wanted) if known else []
        if differences:
            more = f" and {len(differences) - _TOLD} more" if len(differences) > _TOLD else ""
            raise BadInput(
                f"{path.parent} is a checkpoint of another model or training: {'; '.join(differences[:_TOLD])}{more}. "
                "Give this training a label of its own, or remove that folder's checkpoints"
            )
