"""How much memory a model takes, told before it is loaded: of a rank that trains it, of a process that samples from it.

The estimates are from below: libraries, fragments and temporary copies come on top. What they refuse does not fit; what
they let pass by a little may still fail.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from schemas.runtime import EngineRuntime
from schemas.settings import EngineeringSettings
from tasks.capacity.model_shape import ModelShape

_ADAMW = 12
"""Bytes of a weight that a rank updates: the weight and both moments in fp32."""
_GRADIENT = 4
"""Bytes of its gradient, whose sum over micro-batches is in fp32."""
_UPDATE = 4
"""Bytes of it while it is updated: an intermediate value."""
_LOGITS = 12
"""Bytes of a token and an entry of the vocabulary: the logit, its log probability, its gradient, in fp32."""
_SUB_GROUP = 1e9
"""Weights that DeepSpeed updates at once under ZeRO 3."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What one process takes, in bytes, by what it is for; ``remedy`` says what makes it less."""

    parts: Mapping[str, float]
    remedy: str

    @property
    def total(self) -> float:
        return sum(self.parts.values())

    def __str__(self) -> str:
        told = ", ".join(f"{name} {gigabytes(part)}" for name, part in self.parts.items())
        return f"{gigabytes(self.total)} GB ({told})"


def gigabytes(count: float) -> str:
    """Three digits of it, in units of 10^9 bytes."""
    return f"{count / 1e9:.3g}" if count < 1e12 else f"{count / 1e9:.0f}"


def of_rank(
    shape: ModelShape, engineering: EngineeringSettings, ranks: int, longest: int, on_gpu: bool = False
) -> Estimate:
    """Of one of ``ranks`` that train with DeepSpeed on sequences of at most ``longest`` tokens, when it takes most."""
    return Estimate(
        max(phases_of(shape, engineering, ranks, longest, on_gpu), key=lambda phase: sum(phase.values())),
        f"raise engineering.zero_stage (now {engineering.zero_stage}) or runtime.ranks ({ranks}), lower "
        f"engineering.micro_batch_tokens ({engineering.micro_batch_tokens}) or set "
        f"engineering.activation_checkpointing ({str(engineering.activation_checkpointing).lower()})",
    )


def phases_of(
    shape: ModelShape, engineering: EngineeringSettings, ranks: int, longest: int, on_gpu: bool = False
) -> list[dict[str, float]]:
    """What a rank holds at the end of a backward pass, in an update, and when rank 0 writes a model that is sharded.

    It is written from main memory, which is that of a rank only where there is no GPU.

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
    # In bf16, gradients of stages 1 and 2 are summed up in one piece; others are copied into one to be taken.
    taken = _UPDATE if engineering.dtype == "bf16" and stage < 3 else _UPDATE + _GRADIENT
    update = {"an update": taken * min(count / ranks, _SUB_GROUP if stage == 3 else math.inf)}
    phases: list[dict[str, float]] = [{**training, **backward}, {**training, **update}]
    if stage == 3 and not on_gpu:
        phases.append({**training, "weights, whole to be written": width * count})
    return phases


def of_resting_rank(shape: ModelShape, engineering: EngineeringSettings, ranks: int) -> Estimate:
    """Of one of ``ranks`` between two steps: its share of the weights, of what AdamW keeps, and room for gradients."""
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
    """Values that a decoder keeps of one token for the backward pass.

    Of a layer: its input and the sum after attention, both norms before and after scaling, the queries, what attention
    gave; keys and values; and of the feed-forward part the gate, its activation, the other branch, their product.
    Checkpointing keeps the input of every layer, and all of the one that is at work.
    """
    of_layer = 8 * shape.hidden + 2 * shape.kv_width + 4 * shape.intermediate
    return shape.layers * shape.hidden + of_layer if checkpointing else shape.layers * of_layer


def of_engine(shape: ModelShape, engine: EngineRuntime, max_tokens: int, on_gpu: bool) -> Estimate:
    """Of each process of an engine: its share of the weights, and the cache that one text of ``max_tokens`` needs.

    On CPUs the cache is as large as the settings say, whatever is in it.
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
    """Keys and values of a text in all layers, in bytes."""
    return 2 * shape.layers * shape.kv_width * shape.weight_bytes * tokens
