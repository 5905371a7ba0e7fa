"""Sizes of a model, read from its config and the headers of its weights. No weights are loaded."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from schemas.errors import BadInput
from schemas.manifest import digest_of
from schemas.settings import ModelSettings
from schemas.sizes import parameters_of

MADE_FOR = "tokenizer_vocabulary"
"""The field of config.json with the digest of the tokenizer's vocabulary (`AgentTokenizer.digest`). Training keeps it.
"""

_BYTES = {"float32": 4, "float64": 8}


@dataclass(frozen=True, slots=True)
class ModelShape:
    """The sizes of a model; 0 for a size that its config does not state."""

    parameters: int
    """The number of weights; tied weights count once."""
    vocabulary: int
    """Rows of the embedding: all token ids are below this number."""
    longest: int
    """The maximum number of tokens of a text."""
    layers: int
    hidden: int
    intermediate: int
    kv_width: int
    """The number of values in the keys of one token in one layer, all heads together. The values have the same."""
    weight_bytes: int
    """Bytes per weight in the folder."""
    weights: str
    """The digest of the names and shapes of the weights."""
    made_for: str | None
    """The digest of the vocabulary of the model's tokenizer; None if the config does not state it."""

    @classmethod
    def read(cls, folder: str) -> "ModelShape":
        """Read config.json and the headers of the safetensors.

        Raises:
            BadInput: a file is missing or damaged.
        """
        config = config_of(folder)
        text = config.get("text_config", config)
        heads, hidden = text.get("num_attention_heads", 1), text.get("hidden_size", 0)
        shapes = dict(_shapes(folder))
        return cls(
            parameters=sum(map(prod, shapes.values())),
            vocabulary=text["vocab_size"],
            longest=text["max_position_embeddings"],
            layers=text.get("num_hidden_layers", 0),
            hidden=hidden,
            intermediate=text.get("intermediate_size", 0),
            kv_width=text.get("num_key_value_heads", heads) * text.get("head_dim", hidden // heads),
            weight_bytes=_BYTES.get(config.get("dtype") or config.get("torch_dtype") or "", 2),
            weights=digest_of({name: list(shape) for name, shape in shapes.items()}),
            made_for=config.get(MADE_FOR),
        )


def shape_from_nothing(settings: ModelSettings, token_ids: int) -> ModelShape:
    """The shape of the untrained model that `trainers.model.weights.new_model` creates, for ``token_ids`` token ids."""
    return ModelShape(
        parameters=parameters_of(settings, token_ids),
        vocabulary=max(settings.vocabulary or 0, token_ids),
        longest=settings.max_position,
        layers=settings.layers,
        hidden=settings.hidden,
        intermediate=settings.intermediate,
        kv_width=settings.hidden // settings.heads * (settings.key_value_heads or settings.heads),
        weight_bytes=4 if settings.dtype == "fp32" else 2,
        weights="",
        made_for=None,
    )


def config_of(folder: str) -> dict[str, Any]:
    """A model's config.json.

    Raises:
        BadInput: it does not exist, or is damaged.
    """
    path = Path(folder) / "config.json"
    if not path.is_file():
        raise BadInput(f"{folder}: no model there: give a folder with config.json and *.safetensors")
    try:
        config: dict[str, Any] = json.loads(path.read_text())
    except ValueError:
        raise BadInput(f"{path}: damaged: not JSON") from None
    return config


def _shapes(folder: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    from safetensors import SafetensorError, safe_open

    files = sorted(Path(folder).glob("*.safetensors"))
    if not files:
        raise BadInput(f"{folder}: no weights (*.safetensors) in this folder")
    for path in files:
        try:
            with safe_open(path, framework="numpy") as file:
                for name in file.keys():  # noqa: SIM118 - a handle, not a mapping
                    yield name, tuple(file.get_slice(name).get_shape())
        except SafetensorError as error:
            raise BadInput(f"{path}: damaged: {error}") from None
