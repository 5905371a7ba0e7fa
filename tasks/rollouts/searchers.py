"""Searchers: Ray actors that hold the index, and the client that spreads batches of queries over them.

They hold no state, so Ray starts one that died again, and a batch that met its death is sent again. One that hangs is
as good as dead: a batch waits for it a part of the patience only, and goes to another.
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
"""How many searchers, one after the other, a batch has the time to wait for in vain."""
REST_SECONDS = 30.0
"""How long one that did not answer in time is left out, so that not every batch has to find out anew."""


class IndexSearcher:
    """The actor's side. The index is opened by the first call, so that what is wrong with it is that call's error."""

    def __init__(self, folder: str, threads: int) -> None:
        self._folder, self._threads = folder, threads

    @cached_property
    def _index(self) -> Searcher:
        return open_index(self._folder, threads=self._threads)

    def open(self) -> None:
        """Open the index now.

        Raises:
            BadInput: there is none, or a damaged one.
        """
        _ = self._index

    def search(self, queries: list[Query], k: int) -> list[list[Hit]]:
        """See `retrieval_index.hits.Searcher.search`."""
        return self._index.search(queries, k)


def need_of(placement: PlacementRuntime) -> Need:
    """None where search services are asked instead."""
    count = 0 if placement.search_urls else placement.searchers
    return Need("searcher", count, placement.cpus_per_searcher, 0)


async def start_searchers(folder: str, placement: PlacementRuntime) -> list[ActorHandle]:
    """Actors with the index of a folder that every machine reads; whoever starts them ends them.

    Raises:
        BadInput: there is no index, or a damaged one.
        RunFailed: the actors do not start.
    """
    actor: Any = ray.remote(IndexSearcher).options(
        num_cpus=placement.cpus_per_searcher, max_restarts=placement.restarts, max_task_retries=0
    )
    threads = max(1, int(placement.cpus_per_searcher))
    searchers = [actor.remote(folder, threads) for _ in range(need_of(placement).count)]
    try:
        await asyncio.wait_for(asyncio.gather(*(answer(each.open.remote()) for each in searchers)), START_SECONDS)
    except BaseException as error:
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

    def __init__(self, actors: Sequence[ActorHandle], patience: float = PATIENCE_SECONDS) -> None:
        self._actors = Replicas(actors, patience)
        self._seconds = patience / min(len(actors), TRIES)
        self._rests_until: dict[ActorHandle, float] = {}

    def search(self, queries: list[Query], k: int) -> list[list[Hit]]:
        """Ask the searcher with the fewest batches of ours, and another where it is lost or does not answer in time.

        Raises:
            SearchFailed: the index could not be asked, or no searcher answered for `PATIENCE_SECONDS`.
            BadInput: there is no index, or a damaged one.
        """

        def call(actor: ActorHandle, seconds: float) -> list[list[Hit]]:
            if time.monotonic() < self._rests_until.get(actor, 0.0):
                raise ReplicaLost("it did not answer in time a moment ago")
            limit = min(seconds, self._seconds)
            ref: Any = actor.search.remote(queries, k)
            try:
                return ray.get(ref, timeout=limit)
            except GetTimeoutError:
                ray.cancel(ref)  # where it only waits there, it is not searched for a second time
                self._rests_until[actor] = time.monotonic() + REST_SECONDS
                raise ReplicaLost(f"it did not answer in {limit:.0f} seconds") from None
            except RayError as error:
                reason = meaning_of(error)
                raise (ReplicaLost(str(reason)) if isinstance(reason, ActorLost) else reason) from None

        return self._actors.ask(call)
