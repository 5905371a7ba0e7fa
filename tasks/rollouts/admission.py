"""Checks of a model before its engines are started: whether it matches the tokenizer, and whether it fits."""

from collections.abc import Sequence

from schemas.errors import BadInput
from schemas.runtime import EngineRuntime, PlacementRuntime
from tasks.agent.tokenizer import AgentTokenizer
from tasks.capacity import memory
from tasks.capacity.devices import Machine
from tasks.capacity.fitting import Demand, refuse_what_does_not_fit
from tasks.capacity.model_shape import ModelShape
from tasks.rollouts.worker import RolloutSetup


def refuse_other_vocabulary(model: str, tokenizer: AgentTokenizer) -> None:
    """Raises BadInput where the model has no embedding for an id of the tokenizer, or was trained with other ids."""
    shape = ModelShape.read(model)
    if shape.vocabulary < tokenizer.vocabulary:
        raise BadInput(
            f"{model}: the model has {shape.vocabulary} token ids, the tokenizer {tokenizer.vocabulary}: "
            "they do not belong together; use the tokenizer with which the model was trained"
        )
    if shape.made_for not in (None, tokenizer.digest):
        raise BadInput(
            f"{model}: the model was trained with another tokenizer, whose ids stand for other words: use that one"
        )


def refuse_other_shapes(model: str, others: Sequence[str]) -> None:
    """Raises BadInput where an engine that was started with ``model`` could not load the weights of the others."""
    weights = ModelShape.read(model).weights
    for other in others:
        if ModelShape.read(other).weights != weights:
            raise BadInput(
                f"{other}: its weights have other names or shapes than those of {model}: one engine cannot load both; "
                "run them separately"
            )


def refuse_engines_without_room(setup: RolloutSetup, placement: PlacementRuntime, machines: Sequence[Machine]) -> None:
    """Raises BadInput where an engine does not fit into the memory of these machines."""
    shape = ModelShape.read(setup.model)
    demand = engine_demand(setup.model, shape, setup.engine, placement, setup.max_tokens, machines)
    refuse_what_does_not_fit([demand], machines)


def engine_demand(
    model: str,
    shape: ModelShape,
    engine: EngineRuntime,
    placement: PlacementRuntime,
    max_tokens: int,
    machines: Sequence[Machine],
) -> Demand:
    """The memory demand of all engine processes. They run on GPUs if the placement gives them some, or (in the job's
    own process) if this machine has some.

    Raises:
        BadInput: the cache on CPUs is too small for one text.
    """
    in_cluster = placement.is_in_cluster
    on_gpus = placement.gpus_per_engine > 0 if in_cluster else any(machine.gpus for machine in machines)
    text = memory.cache_of_text(shape, max_tokens) / engine.tensor_parallel
    if not on_gpus and text > engine.cpu_cache_gb * 2**30:
        raise BadInput(
            f"{model}: a text of agent.max_tokens ({max_tokens}) takes {memory.gigabytes(text)} GB of an engine's "
            f"cache: raise runtime.engine.cpu_cache_gb (now {engine.cpu_cache_gb})"
        )
    return Demand(
        kind="a process of an engine",
        model=model,
        count=engine.tensor_parallel * (placement.engines if in_cluster else 1),
        estimate=memory.of_engine(shape, engine, max_tokens, on_gpus),
        gpu_share=engine.gpu_memory_share if on_gpus else 0.0,
    )
