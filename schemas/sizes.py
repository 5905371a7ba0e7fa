"""Architectures by size, as data: what `masksearch accept` makes with random weights; and how many parameters one has.

Hidden sizes, layers, heads and vocabularies are those of Qwen2.5 (arXiv 2412.15115).
"""

import json
from collections.abc import Iterator
from pathlib import Path

from schemas.settings import ModelSettings


def _qwen2(
    hidden: int, layers: int, heads: int, key_value_heads: int, intermediate: int, vocabulary: int, tied: bool
) -> ModelSettings:
    return ModelSettings(
        hidden=hidden,
        layers=layers,
        heads=heads,
        key_value_heads=key_value_heads,
        intermediate=intermediate,
        vocabulary=vocabulary,
        tied=tied,
        max_position=32_768,
        rope_base=1_000_000.0,
    )


SIZES: dict[str, ModelSettings] = {
    "tiny": ModelSettings(
        hidden=64, layers=2, heads=2, key_value_heads=1, intermediate=128, vocabulary=1024, max_position=4096
    ),
    "0.5B": _qwen2(896, 24, 14, 2, 4864, 151_936, tied=True),
    "1.5B": _qwen2(1536, 28, 12, 2, 8960, 151_936, tied=True),
    "3B": _qwen2(2048, 36, 16, 2, 11_008, 151_936, tied=True),
    "7B": _qwen2(3584, 28, 28, 4, 18_944, 152_064, tied=False),
    "14B": _qwen2(5120, 48, 40, 8, 13_824, 152_064, tied=False),
    "32B": _qwen2(5120, 64, 40, 8, 27_648, 152_064, tied=False),
    "70B": _qwen2(8192, 80, 64, 8, 29_568, 152_064, tied=False),
}


def parameters_of(model: ModelSettings, token_ids: int = 0) -> int:
    """How many weights a Qwen2 of this architecture has, for a tokenizer of so many ids; a tied head counts once.

    Of one like it (Llama: no biases) it is right to a thousandth.
    """
    return sum(_weights_of(model, token_ids))


def working_parameters_of(model: ModelSettings, token_ids: int = 0) -> int:
    """Those that every token is multiplied with: all but an embedding that is not the head too."""
    return parameters_of(model, token_ids) - (0 if model.tied else _rows(model, token_ids) * model.hidden)


def _rows(model: ModelSettings, token_ids: int) -> int:
    return max(model.vocabulary or 0, token_ids)


def _weights_of(model: ModelSettings, token_ids: int) -> Iterator[int]:
    hidden = model.hidden
    shared = hidden // model.heads * (model.key_value_heads or model.heads)
    attention = 2 * hidden * hidden + hidden + 2 * (hidden * shared + shared)
    layer = attention + 3 * hidden * model.intermediate + 2 * hidden
    yield model.layers * layer + hidden
    yield (1 if model.tied else 2) * _rows(model, token_ids) * hidden


def architecture_in(folder: str) -> ModelSettings | None:
    """That of a model's folder, by its config.json; None where there is none that tells it."""
    try:
        told = json.loads((Path(folder) / "config.json").read_text())
        return ModelSettings(
            path=folder,
            hidden=told["hidden_size"],
            layers=told["num_hidden_layers"],
            heads=told["num_attention_heads"],
            key_value_heads=told.get("num_key_value_heads"),
            intermediate=told["intermediate_size"],
            vocabulary=told["vocab_size"],
            tied=told.get("tie_word_embeddings", False),
            max_position=told["max_position_embeddings"],
        )
    except (OSError, ValueError, KeyError):
        return None
