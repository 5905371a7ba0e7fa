"""Estimates of a model's memory before it is loaded: for a rank that trains it, and for a process that samples from it.

They are lower bounds: libraries, fragmentation and temporary copies take more. A model that they refuse does not fit; a
model that they barely accept may still fail.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from schemas.runtime import EngineRuntime
from schemas.training_settings import EngineeringSettings
from tasks.capacity.model_shape import ModelShape

_ADAMW = 12
"""Bytes per weight that a rank updates: the weight and both moments in fp32."""
_GRADIENT = 4
"""Bytes per weight for its gradient, which is summed over micro-batches in fp32."""
_UPDATE = 4
"""Bytes per weight during an update: an intermediate value."""
_LOGITS = 12
"""Bytes per token and entry of the vocabulary: the logit, its log probability and its gradient, in fp32."""
_SUB_GROUP = 1e9
"""The number of weights that DeepSpeed updates at once with ZeRO stage 3."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """The memory of one process, in bytes by purpose. ``remedy`` names the settings that reduce it."""

    parts: Mapping[str, float]
    remedy: str

    @property
    def total(self) -> float:
        return sum(self.parts.values())

    def __str__(self) -> str:
        purposes = ", ".join(f"{name} {gigabytes(count)}" for name, count in self.parts.items())
        return f"{gigabytes(self.total)} GB ({purposes})"


def gigabytes(count: float) -> str:
    """A count of bytes in units of 10^9 bytes, with three digits."""
    return f"{count / 1e9:.3g}" if count < 1e12 else f"{count / 1e9:.0f}"


def of_rank(
    shape: ModelShape, engineering: EngineeringSettings, ranks: int, longest: int, on_gpu: bool = False
) -> Estimate:
    """The peak memory of one of ``ranks`` that train with DeepSpeed on sequences of at most ``longest`` tokens."""
    return Estimate(
        max(phases_of(shape, engineering, ranks, longest, on_gpu), key=lambda phase: sum(phase.values())),
        f"raise engineering.zero_stage (now {engineering.zero_stage}) or runtime.ranks ({ranks}), lower "
        f"engineering.micro_batch_tokens ({engineering.micro_batch_tokens}) or set "
        f"engineering.activation_checkpointing ({str(engineering.activation_checkpointing).lower()})",
    )


def phases_of(
    shape: ModelShape, engineering: EngineeringSettings, ranks: int, longest: int, on_gpu: bool = False
) -> list[dict[str, float]]:
    """The memory of a rank at the end of a backward pass, in an update, and when rank 0 writes a sharded model.

    A model is written from main memory, so the last phase counts only on CPUs, where the rank is in main memory, too.

    ZeRO divides AdamW's fp32 weights and moments (stage 1), gradients (2) and weights (3) by the ranks
    (Rajbhandari et al., arXiv 1910.02054, section 5).
    """
    width = 4 if engineering.dtype == "fp32" else 2
    stage, count = engineering.zero_stage, shape.parameters
    tokens = max(engineering.micro_batch_tokens, longest)
    training = {
        "weights": width * count / (ranks if stage == 3 else 1),
        "gradients": _GRADIENT * count / (ranks if stage >= 2 else 1),
        "AdamW": _ADAMW * count / ranks,
    }
    backward = {
        "activations": width * tokens * _activations(shape, engineering.activation_checkpointing),
        "logits": _LOGITS * tokens * shape.vocabulary,
    }
    # In bf16, stages 1 and 2 sum the gradients in one flat tensor; otherwise they are copied into one for the update.
    taken = _UPDATE if engineering.dtype == "bf16" and stage < 3 else _UPDATE + _GRADIENT
    update = {"an update": taken * min(count / ranks, _SUB_GROUP if stage == 3 else math.inf)}
    phases: list[dict[str, float]] = [{**training, **backward}, {**training, **update}]
    if stage == 3 and not on_gpu:
        phases.append({**training, "weights, whole to be written": width * count})
    return phases


def of_resting_rank(shape: ModelShape, engineering: EngineeringSettings, ranks: int) -> Estimate:
    """The memory of one of ``ranks`` between two steps: its share of weights, AdamW's state, and gradients' buffers."""
    width = 4 if engineering.dtype == "fp32" else 2
    stage, count = engineering.zero_stage, shape.parameters
    kept = count / ranks if stage == 3 else count if stage == 1 and engineering.dtype == "bf16" else 0  # never freed
    return Estimate(
        {
            "weights": width * count / (ranks if stage == 3 else 1),
            "gradients": _GRADIENT * kept,
            "AdamW": _ADAMW * count / ranks,
        },
        f"raise engineering.zero_stage (now {engineering.zero_stage}) or runtime.ranks ({ranks}), or lower "
        "runtime.engine.gpu_memory_share",
    )


def _activations(shape: ModelShape, checkpointing: bool) -> int:
    """The number of values that a decoder keeps per token for the backward pass.

    In each layer: the input and the sum after attention, both norms before and after scaling, the queries, attention's
    output; the keys and values; and in the feed-forward block the gate, its activation, the other branch, and their
    product. With checkpointing: the input of every layer, and all values of one layer.
    """
    of_layer = 8 * shape.hidden + 2 * shape.kv_width + 4 * shape.intermediate
    return shape.layers * shape.hidden + of_layer if checkpointing else shape.layers * of_layer


def of_engine(shape: ModelShape, engine: EngineRuntime, max_tokens: int, on_gpu: bool) -> Estimate:
    """The memory of each process of an engine: its share of the weights, and the cache for one text of ``max_tokens``.

    On CPUs the cache has the size in the settings, full or empty.
    """
    shares = engine.tensor_parallel
    cache = cache_of_text(shape, max_tokens) / shares if on_gpu else engine.cpu_cache_gb * 2.0**30
    share = f", runtime.engine.gpu_memory_share ({engine.gpu_memory_share:g})" if on_gpu else ""
    other = "lower agent.max_tokens" if on_gpu else f"lower runtime.engine.cpu_cache_gb ({engine.cpu_cache_gb})"
    return Estimate(
        {"weights": shape.weight_bytes * shape.parameters / shares, "cache": cache},
        f"raise runtime.engine.tensor_parallel (now {shares}){share} or {other}",
    )


def cache_of_text(shape: ModelShape, tokens: int) -> int:
    """Bytes of a text's keys and values in all layers."""
    return 2 * shape.layers * shape.kv_width * shape.weight_bytes * tokens
