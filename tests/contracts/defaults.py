"""The defaults of all identity settings, as they were when the versions of the stages were set.

python -m tests.contracts.defaults     writes them anew
"""

import json
from pathlib import Path
from typing import Any

from pydantic_core import to_jsonable_python

from schemas import (
    corpus_settings,
    evaluation_settings,
    protocol_settings,
    set_settings,
    settings,
    training_settings,
    training_steps,
)
from schemas.identity import Identity

DEFAULTS = Path(__file__).with_name("defaults.json")


def defaults() -> dict[str, dict[str, Any]]:
    """By model and field; fields that must be given have none."""
    modules = (
        *(corpus_settings, settings, set_settings, training_settings, training_steps, evaluation_settings),
        protocol_settings,
    )
    models = [model for module in modules for model in vars(module).values() if isinstance(model, type)]
    return {
        model.__name__: {
            name: to_jsonable_python(field.get_default(call_default_factory=True))
            for name, field in model.model_fields.items()
            if not field.is_required()
        }
        for model in models
        if issubclass(model, Identity)
    }


if __name__ == "__main__":
    DEFAULTS.write_text(json.dumps(defaults(), indent=1) + "\n")
