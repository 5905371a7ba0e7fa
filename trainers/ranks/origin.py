"""The origin of a checkpoint: the model (its config and the shapes of its weights) and the training's settings."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from schemas.errors import BadInput
from schemas.jobs import DapoJob, PretrainJob, SftJob
from tasks.capacity.model_shape import ModelShape, config_of
from tasks.ledger.ledger import changed_fields

CHECKPOINTS, MANIFEST, ORIGIN = "checkpoints", "manifest.json", "origin"

_IGNORED = ("transformers_version", "_name_or_path", "dtype", "torch_dtype", "use_cache")
"""Fields of a model's config that do not change what a checkpoint contains."""
_MOST_NAMED = 3


def origin_of(job: PretrainJob | SftJob | DapoJob) -> dict[str, Any]:
    """The origin of this job's checkpoints. Settings at their defaults are left out, as in a stage's fingerprint."""
    config = {name: value for name, value in config_of(job.start).items() if name not in _IGNORED}
    agent = {"agent": job.agent.model_dump(mode="json", exclude_defaults=True)} if isinstance(job, DapoJob) else {}
    return {
        "model": {**config, "weights": ModelShape.read(job.start).weights},
        "settings": job.settings.model_dump(mode="json", exclude_defaults=True),
        **agent,
    }


def refuse_other_checkpoints(job: PretrainJob | SftJob | DapoJob) -> None:
    """Raises BadInput if the job's folder has a checkpoint of another model or training, with the differences."""
    wanted = origin_of(job)
    for path in sorted(Path(job.output, CHECKPOINTS).glob(f"step-*/{MANIFEST}")):
        known = None
        with suppress(OSError, ValueError):  # loading reports damaged checkpoints
            known = json.loads(path.read_text()).get(ORIGIN)
        differences = changed_fields(known, wanted) if known else []
        if differences:
            more = f" and {len(differences) - _MOST_NAMED} more" if len(differences) > _MOST_NAMED else ""
            raise BadInput(
                f"{path.parent} is a checkpoint of another model or training: "
                f"{'; '.join(differences[:_MOST_NAMED])}{more}. "
                "Give this training its own label, or remove the checkpoints in that folder"
            )
