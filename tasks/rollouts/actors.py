"""Ray actors here: what an answer of theirs means, and whether a cluster can hold them.

An actor is lost where its process or its machine died or cannot be reached; whoever asked it asks another, or one that
takes its place. What an actor raises travels wrapped by Ray and is unwrapped here.
"""

import asyncio
import math
import signal
import threading
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import OutOfMemoryError, RayActorError, RayError, RayTaskError, WorkerCrashedError

from retrieval_index.hits import SearchFailed
from schemas.errors import BadInput, MaskSearchError
from tasks import ray_cluster

START_SECONDS = 1800.0
"""How long an actor may take to be ready: the cluster finds it a place, and it loads its model or index."""


class ActorLost(Exception):
    """The actor is gone, or out of reach; why, in one line."""


async def answer(ref: Awaitable[Any]) -> Any:
    """What an actor's method gives back. Cancelling this cancels the method.

    Raises:
        ActorLost: the actor did not live to answer.
        MaskSearchError, SearchFailed: the method raised it.
    """
    try:
        return await ref
    except asyncio.CancelledError:
        ray.cancel(ref)
        raise
    except RayError as error:
        raise meaning_of(error) from None


def meaning_of(error: RayError) -> Exception:
    """What Ray raised, as what `answer` raises for it; anything else as it is."""
    if isinstance(error, RayActorError | WorkerCrashedError | OutOfMemoryError):
        return ActorLost(" ".join(str(error).split())[:300])
    if isinstance(error, RayTaskError) and isinstance(error.cause, MaskSearchError | SearchFailed):
        return error.cause
    return error


@dataclass(frozen=True, slots=True)
class Need:
    """``count`` actors of a kind, each on one machine with so many processors and GPUs."""

    kind: str
    count: int
    cpus: float
    gpus: float


def join_for(needs: Sequence[Need]) -> None:
    """Join a cluster that can hold all of these actors, or start a local one.

    Raises:
        BadInput: the cluster is too small, or has no machine that is large enough for one of them.
    """
    # Ray takes SIGTERM for itself when it is joined; a job ends by its own handler (scheduling.run_job).
    handler = signal.getsignal(signal.SIGTERM)
    ray_cluster.join(math.ceil(sum(need.count * need.cpus for need in needs)))
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, handler)
    whole = ray.cluster_resources()
    cpus, gpus = (sum(need.count * getattr(need, unit) for need in needs) for unit in ("cpus", "gpus"))
    if cpus > whole.get("CPU", 0) or gpus > whole.get("GPU", 0):
        raise BadInput(
            f"runtime.placement asks for {cpus:g} CPUs and {gpus:g} GPUs, but the Ray cluster holds "
            f"{whole.get('CPU', 0):g} and {whole.get('GPU', 0):g}: lower its numbers, or join a larger cluster"
        )
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    for need in needs:
        if not any(need.cpus <= each.get("CPU", 0) and need.gpus <= each.get("GPU", 0) for each in machines):
            raise BadInput(
                f"runtime.placement: no machine of the Ray cluster has the {need.cpus:g} CPUs and {need.gpus:g} GPUs "
                f"of one {need.kind}"
            )
