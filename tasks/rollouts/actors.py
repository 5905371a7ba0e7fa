"""The results and errors of calls to Ray actors.

An actor is lost if its process or machine has died or cannot be reached; the caller then calls another actor, or its
replacement. Ray wraps the exceptions of an actor; they are unwrapped here.
"""

import asyncio
from collections.abc import Awaitable
from typing import Any

import ray
from ray.exceptions import OutOfMemoryError, RayActorError, RayError, RayTaskError, WorkerCrashedError

from retrieval_index.hits import SearchFailed
from schemas.errors import MaskSearchError

START_SECONDS = 1800.0
"""The time limit for an actor to become ready: the cluster schedules it, and it loads its model or index."""


class ActorLost(Exception):
    """The actor has died or is unreachable. The message is the reason in one line."""


async def answer(ref: Awaitable[Any], seconds: float | None = None) -> Any:
    """The result of an actor's method, within ``seconds`` if given. Cancelling this call cancels the method.

    Raises:
        ActorLost: the actor died before it answered, or did not answer in time.
        MaskSearchError, SearchFailed: the method raised it.
    """
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            return await ref
    except asyncio.CancelledError:
        ray.cancel(ref)  # otherwise the actor would finish a call whose result nobody reads
        raise
    except RayError as error:
        raise meaning_of(error) from None
    except TimeoutError:
        if not limit.expired():  # a timeout of the method itself, not ours
            raise
        raise ActorLost(f"it did not answer within {seconds:.0f} seconds") from None


def meaning_of(error: RayError) -> Exception:
    """The exception that `answer` raises for an error of Ray's; unknown errors are returned unchanged."""
    if isinstance(error, RayActorError | WorkerCrashedError | OutOfMemoryError):
        return ActorLost(" ".join(str(error).split())[:300])
    if isinstance(error, RayTaskError) and isinstance(error.cause, MaskSearchError | SearchFailed):
        return error.cause
    return error
