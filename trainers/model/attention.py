"""Attention of packed rows: each sequence goes through the plain causal kernel by itself.

No mask is built and nothing is computed between sequences, so that a row costs what its sequences cost alone. A
block-diagonal mask costs the square of the row: on a CPU forward and backward took 1.8 times as long in rows of 1,024
tokens, and 3.5 times in rows of 4,096 (tests/bench/bench_training.py). Without a mask
`torch.nn.functional.scaled_dot_product_attention` may also take its flash kernels, on every device that has them.
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
    """Make the model attend within sequences, whose ``lengths`` every call of its base model must then be given.

    Raises:
        BadInput: a layer of the model does not see the whole of a sequence, which only a mask could tell it, or the
            model does not let its attention be chosen.
    """
    kinds = set(getattr(model.config, "layer_types", None) or ["full_attention"])
    if kinds != {"full_attention"} or getattr(model.config, "sliding_window", None):
        raise BadInput(
            f"a model of type {model.config.model_type} with sliding or other special attention: not trained"
        )
    model.set_attn_implementation(_NAME)
    if model.config._attn_implementation != _NAME:
        raise BadInput(f"a model of type {model.config.model_type} has attention of its own: not trained")


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
    """Causal attention within each of the sequences that lie one after another; their lengths add up to T.

    G key heads serve H query heads. ``lengths`` has no default: a model that does not hand it on fails, and does not
    leak.
    """
    parts = zip(*(states.split(list(lengths), dim=2) for states in (query_BHTK, key_BGTK, value_BGTK)), strict=True)
    outputs_BTHK = [
        sdpa_attention_forward(module, query, key, value, None, **options)[0] for query, key, value in parts
    ]
    return torch.cat(outputs_BTHK, dim=1), None


AttentionInterface.register(_NAME, _attention)
