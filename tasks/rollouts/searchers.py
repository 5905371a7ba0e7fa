"""Searchers: Ray actors that hold the index, and the client that distributes batches of queries over them.

They have no state, so Ray restarts a dead searcher, and the client sends its batch again. A searcher that hangs is
treated as dead: a batch waits for it for a fraction of the whole patience, then goes to another searcher.
"""

import asyncio
import time
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import ray
from ray.actor import ActorHandle
from ray.exceptions import GetTimeoutError, RayError

from retrieval_index.hits import Hit, Query, Searcher
from retrieval_index.opening import open_index
from retrieval_index.replicas import PATIENCE_SECONDS, ReplicaLost, Replicas
from schemas.errors import RunFailed
from schemas.runtime import PlacementRuntime
from tasks.capacity.ray_cluster import Need
from tasks.rollouts.actors import START_SECONDS, ActorLost, answer, meaning_of

TRIES = 4
"""The number of hanging searchers that a batch can try one after the other within its patience."""
REST_SECONDS = 30.0
"""How long a searcher that did not answer in time gets no batches. Otherwise each batch would wait for it in turn."""


class IndexSearcher:
    """The actor's side. The first call opens the index, not the constructor: a damaged index is then an error of that
    call, while an exception in a constructor would look like the actor's death."""

    def __init__(self, folder: str, threads: int) -> None:
        self._folder, self._threads = folder, threads

    @cached_property
    def _index(self) -> Searcher:
        return open_index(self._folder, threads=self._threads)

    def open(self) -> None:
        """Open the index now.

        Raises:
            BadInput: the index is missing or damaged.
        """
        _ = self._index

    def search(self, queries: list[Query], k: int) -> list[list[Hit]]:
        """See `retrieval_index.hits.Searcher.search`."""
        return self._index.search(queries, k)


def need_of(placement: PlacementRuntime) -> Need:
    """The resources of all searchers; zero searchers if search services are configured."""
    count = 0 if placement.search_urls else placement.searchers
    return Need("searcher", count, placement.cpus_per_searcher, 0)


async def start_searchers(folder: str, placement: PlacementRuntime) -> list[ActorHandle[Any]]:
    """Start actors with the index of a folder that every machine can read. The caller ends them.

    Raises:
        BadInput: the index is missing or damaged.
        RunFailed: the actors do not start.
    """
    actor: Any = ray.remote(IndexSearcher).options(
        num_cpus=placement.cpus_per_searcher, max_restarts=placement.restarts, max_task_retries=0
    )
    threads = max(1, int(placement.cpus_per_searcher))
    searchers = [actor.remote(folder, threads) for _ in range(need_of(placement).count)]
    try:
        await asyncio.wait_for(asyncio.gather(*(answer(each.open.remote()) for each in searchers)), START_SECONDS)
    except BaseException as error:  # also a cancellation: actors outlive the caller unless they are killed
        for each in searchers:
            ray.kill(each)
        if isinstance(error, ActorLost | TimeoutError):
            raise RunFailed(
                f"the searchers do not start: {str(error) or f'not in {START_SECONDS:.0f} seconds'}"
            ) from None
        raise
    return searchers


class SearcherClient:
    """A `hits.Searcher` over these actors; safe to call from several threads."""

    def __init__(self, actors: Sequence[ActorHandle[Any]], patience: float = PATIENCE_SECONDS) -> None:
        self._actors = Replicas(actors, patience)
        self._seconds = patience / min(len(actors), TRIES)
        self._rests_until: dict[ActorHandle[Any], float] = {}
        """Read and written by several threads without a lock: single operations of a dict are atomic, and a race costs
        one more wait for a hanging searcher."""

    def search(self, queries: list[Query], k: int) -> list[list[Hit]]:
        """Query the searcher with the fewest batches of this client; if it dies or is too slow, query another one.

        Raises:
            SearchFailed: the query failed, or no searcher answered for `PATIENCE_SECONDS`.
            BadInput: the index is missing or damaged.
        """

        def call(actor: ActorHandle[Any], seconds: float) -> list[list[Hit]]:
            if time.monotonic() < self._rests_until.get(actor, 0.0):
                raise ReplicaLost("it did not answer in time a moment ago")
            limit = min(seconds, self._seconds)
            ref: Any = actor.search.remote(queries, k)
            try:
                hits: list[list[Hit]] = ray.get(ref, timeout=limit)
                return hits
            except GetTimeoutError:
                ray.cancel(ref)  # if the batch is still queued there, it is not searched twice
                self._rests_until[actor] = time.monotonic() + REST_SECONDS
                raise ReplicaLost(f"it did not answer in {limit:.0f} seconds") from None
            except RayError as error:
                reason = meaning_of(error)
                raise (ReplicaLost(str(reason)) if isinstance(reason, ActorLost) else reason) from None

        return self._actors.ask(call)
