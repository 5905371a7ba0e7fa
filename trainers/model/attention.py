"""Attention of packed rows: each sequence goes through the plain causal kernel separately.

No mask is built and nothing is computed between sequences, so a row costs as much as its sequences alone. The cost of a
block-diagonal mask grows with the square of the row's length: on a CPU forward and backward took 1.8 times as long in
rows of 1,024 tokens, and 3.5 times in rows of 4,096 (tests/bench/bench_training.py). Without a mask
`torch.nn.functional.scaled_dot_product_attention` can also use its flash kernels on devices that have them.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from schemas.errors import BadInput

_NAME = "each_sequence_alone"


def use_packed_attention(model: PreTrainedModel) -> None:
    """Make the model attend within sequences. Every call of its base model must then have the argument ``lengths``.

    Raises:
        BadInput: a layer of the model attends to a part of the sequence only, which would need a mask; or the model
            does not support other attention functions.
    """
    kinds = set(getattr(model.config, "layer_types", None) or ["full_attention"])
    if kinds != {"full_attention"} or getattr(model.config, "sliding_window", None):
        raise BadInput(
            f"a model of type {model.config.model_type} with sliding or other special attention cannot be trained: "
            "give a model with full attention"
        )
    model.set_attn_implementation(_NAME)
    if model.config._attn_implementation != _NAME:
        raise BadInput(
            f"a model of type {model.config.model_type} does not support other attention functions and cannot be "
            "trained: give another model"
        )


def _attention(
    module: nn.Module,
    query_BHTK: Tensor,
    key_BGTK: Tensor,
    value_BGTK: Tensor,
    attention_mask: Tensor | None,
    *,
    lengths: Sequence[int],
    **options: Any,
) -> tuple[Tensor, None]:
    """Causal attention within each of the concatenated sequences, whose lengths add up to T.

    G key heads serve H query heads. ``lengths`` has no default, so that a model that does not pass it on fails instead
    of attending across sequences.
    """
    by_sequence = zip(
        *(states.split(list(lengths), dim=2) for states in (query_BHTK, key_BGTK, value_BGTK)), strict=True
    )
    outputs_BTHK = [
        sdpa_attention_forward(module, query, key, value, None, **options)[0] for query, key, value in by_sequence
    ]
    return torch.cat(outputs_BTHK, dim=1), None


AttentionInterface.register(_NAME, _attention)
