"""Sketches (sketches.py) of a model in a vLLM process, computed by vLLM's own layers."""

from typing import Any

import torch
from torch import Tensor, nn
from vllm.model_executor.layers.linear import LinearBase, RowParallelLinear
from vllm.model_executor.layers.vocab_parallel_embedding import VocabParallelEmbedding

from tasks.weights.sketches import Sketches, flat, ids_of, input_of

_HEAD = "lm_head"


@torch.no_grad()
def sketches_of_engine(model: nn.Module) -> Sketches:
    """The sketches of this process's layers. For a matrix that is divided among processes: its share of the output."""
    sketches: Sketches = {}
    packed: dict[str, list[str]] = getattr(model, "packed_modules_mapping", {})
    for name, layer in model.named_modules(remove_duplicate=False):  # a tied head is the embedding under a second name
        if isinstance(layer, LinearBase):
            sketches |= _of_matrices(name, layer, packed)
        elif name == _HEAD and isinstance(layer, VocabParallelEmbedding):
            sketches[name] = flat(_of_head(layer))
        elif isinstance(layer, VocabParallelEmbedding):
            sketches[name] = flat(layer(ids_of(layer.org_vocab_size, _weight_of(layer))))
        elif isinstance(weight := getattr(layer, "weight", None), Tensor):
            sketches[name] = flat(weight)
    return sketches


def _of_matrices(name: str, layer: LinearBase, packed: dict[str, list[str]]) -> Sketches:
    """The sketch of a layer's matrix, or of each of several matrices that vLLM stores in one layer."""
    device_of: Any = next(layer.parameters())
    values = input_of(layer.input_size, torch.empty(0, dtype=layer.params_dtype, device=device_of.device))
    if isinstance(layer, RowParallelLinear) and layer.input_is_parallel:
        values = values.chunk(layer.tp_size, dim=-1)[layer.tp_rank].contiguous()
    output = layer(values)
    output = output[0] if isinstance(output, tuple) else output
    parent, _, leaf = name.rpartition(".")
    names = [f"{parent}.{each}".lstrip(".") for each in packed.get(leaf, [leaf])]
    if len(names) == 1:
        return {names[0]: flat(output)}
    sizes: Any = layer.output_partition_sizes
    return {each: flat(values) for each, values in zip(names, output.split(sizes, dim=-1), strict=True)}


def _of_head(head: VocabParallelEmbedding) -> Tensor:
    logits = head.quant_method.apply(head, input_of(head.embedding_dim, _weight_of(head)))
    return logits[..., : head.shard_indices.num_org_elements]


def _weight_of(layer: nn.Module) -> Tensor:
    assert isinstance(layer.weight, Tensor)
    return layer.weight
