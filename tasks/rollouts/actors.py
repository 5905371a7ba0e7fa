"""Ray actors here: what an answer of theirs means.

An actor is lost where its process or its machine died or cannot be reached; whoever asked it asks another, or one that
takes its place. What an actor raises travels wrapped by Ray and is unwrapped here.
"""

import asyncio
from collections.abc import Awaitable
from typing import Any

import ray
from ray.exceptions import OutOfMemoryError, RayActorError, RayError, RayTaskError, WorkerCrashedError

from retrieval_index.hits import SearchFailed
from schemas.errors import MaskSearchError

START_SECONDS = 1800.0
"""How long an actor may take to be ready: the cluster finds it a place, and it loads its model or index."""


class ActorLost(Exception):
    """The actor is gone, or out of reach; why, in one line."""


async def answer(ref: Awaitable[Any], seconds: float | None = None) -> Any:
    """What an actor's method gives back, within ``seconds`` if given. Cancelling this cancels the method.

    Raises:
        ActorLost: the actor did not live to answer, or does not in time.
        MaskSearchError, SearchFailed: the method raised it.
    """
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            return await ref
    except asyncio.CancelledError:
        ray.cancel(ref)
        raise
    except RayError as error:
        raise meaning_of(error) from None
    except TimeoutError:
        if not limit.expired():
            raise
        raise ActorLost(f"it did not answer within {seconds:.0f} seconds") from None


def meaning_of(error: RayError) -> Exception:
    """What Ray raised, as what `answer` raises for it; anything else as it is."""
    if isinstance(error, RayActorError | WorkerCrashedError | OutOfMemoryError):
        return ActorLost(" ".join(str(error).split())[:300])
    if isinstance(error, RayTaskError) and isinstance(error.cause, MaskSearchError | SearchFailed):
        return error.cause
    return error
