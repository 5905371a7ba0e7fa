"""What is checked of a model before engines are started for it: that it goes with the tokenizer, and finds room."""

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
    """Raises BadInput where the model has no row for an id of the tokenizer, or was made for other ids."""
    shape = ModelShape.read(model)
    if shape.vocabulary < tokenizer.vocabulary:
        raise BadInput(
            f"{model}: the model knows {shape.vocabulary} token ids, the tokenizer writes {tokenizer.vocabulary}: "
            "they were not made for each other"
        )
    if shape.made_for not in (None, tokenizer.digest):
        raise BadInput(
            f"{model}: the model was made for another tokenizer, whose ids stand for other words: take that one"
        )


def refuse_other_shapes(model: str, others: Sequence[str]) -> None:
    """Raises BadInput where an engine that was started with ``model`` could not take the weights of another one."""
    weights = ModelShape.read(model).weights
    for other in others:
        if ModelShape.read(other).weights != weights:
            raise BadInput(
                f"{other}: its weights have other names or shapes than those of {model}: no engine takes both"
            )


def refuse_engines_without_room(setup: RolloutSetup, placement: PlacementRuntime, machines: Sequence[Machine]) -> None:
    """Raises BadInput where an engine is larger than the place that it has on these machines."""
    shape = ModelShape.read(setup.model)
    demand = engine_demand(setup.model, shape, setup.engine, placement, setup.agent.max_tokens, machines)
    refuse_what_does_not_fit([demand], machines)


def engine_demand(
    model: str,
    shape: ModelShape,
    engine: EngineRuntime,
    placement: PlacementRuntime,
    max_tokens: int,
    machines: Sequence[Machine],
) -> Demand:
    """What the processes of all engines take; they run on GPUs where they are given some, or find some here.

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
