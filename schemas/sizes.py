"""Architectures by size, which `masksearch accept` builds with random weights, and their numbers of parameters.

Hidden sizes, layers, heads and vocabularies are Qwen2.5's (arXiv 2412.15115).
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
    """The number of weights of a Qwen2 model of this architecture; a tied head counts once.

    For similar models (Llama, which has no biases) the error is below one thousandth.

    Args:
        token_ids: ids of the tokenizer; the embedding has at least as many rows.
    """
    return sum(_weights_of(model, token_ids))


def working_parameters_of(model: ModelSettings, token_ids: int = 0) -> int:
    """The weights that every token is multiplied with: all except an embedding that is not also the head."""
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
    """The architecture of a model's folder, from its config.json; None if that file is missing or incomplete."""
    try:
        config = json.loads((Path(folder) / "config.json").read_text())
        return ModelSettings(
            path=folder,
            hidden=config["hidden_size"],
            layers=config["num_hidden_layers"],
            heads=config["num_attention_heads"],
            key_value_heads=config.get("num_key_value_heads"),
            intermediate=config["intermediate_size"],
            vocabulary=config["vocab_size"],
            tied=config.get("tie_word_embeddings", False),
            max_position=config["max_position_embeddings"],
        )
    except (OSError, ValueError, KeyError):
        return None
