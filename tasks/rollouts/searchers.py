"""Searchers: Ray actors that hold the index, and the client that spreads batches of queries over them.

They hold no state, so Ray starts one that died again, and a batch that met its death is sent again.
"""

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import ray
from ray.actor import ActorHandle
from ray.exceptions import GetTimeoutError, RayError

from retrieval_index.hits import Hit, Query, Searcher, SearchFailed
from retrieval_index.opening import open_index
from schemas.errors import RunFailed
from schemas.runtime import PlacementRuntime
from tasks.ray_cluster import Need
from tasks.rollouts.actors import START_SECONDS, ActorLost, answer, meaning_of

PATIENCE_SECONDS = 120.0
"""How long a batch is sent again before the search has failed: a searcher that is started anew needs some of it."""
_PAUSE_SECONDS = 0.5


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
    return Need("searcher", placement.searchers, placement.cpus_per_searcher, 0)


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
    searchers = [actor.remote(folder, threads) for _ in range(placement.searchers)]
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
        self._open = dict.fromkeys(actors, 0)
        self._counting = threading.Lock()
        self._patience = patience

    def search(self, queries: list[Query], k: int) -> list[list[Hit]]:
        """Ask the searcher with the fewest batches of ours, and another where it is lost.

        Raises:
            SearchFailed: the index could not be asked, or no searcher answered for `PATIENCE_SECONDS`.
            BadInput: there is no index, or a damaged one.
        """
        deadline = time.monotonic() + self._patience
        tried: set[ActorHandle] = set()
        while True:
            with self._least_loaded(tried) as actor:
                try:
                    return ray.get(actor.search.remote(queries, k), timeout=max(0.0, deadline - time.monotonic()))
                except GetTimeoutError:
                    raise SearchFailed(f"no searcher answered in {self._patience:.0f} seconds") from None
                except RayError as error:
                    reason = meaning_of(error)
                    if not isinstance(reason, ActorLost):
                        raise reason from None
            tried.add(actor)
            if time.monotonic() + _PAUSE_SECONDS > deadline:
                raise SearchFailed(f"no searcher answered in {self._patience:.0f} seconds: {reason}")
            if len(tried) == len(self._open):
                tried.clear()
                time.sleep(_PAUSE_SECONDS)

    @contextmanager
    def _least_loaded(self, tried: set[ActorHandle]) -> Iterator[ActorHandle]:
        with self._counting:
            actor = min((each for each in self._open if each not in tried), key=self._open.__getitem__)
            self._open[actor] += 1
        try:
            yield actor
        finally:
            with self._counting:
                self._open[actor] -= 1
