"""Equal searchers behind one interface: a call goes to the least loaded, and to the next if that one is lost."""

import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Generic, TypeVar

from retrieval_index.hits import Hit, Query, SearchFailed
from retrieval_index.remote import HttpSearcher
from schemas.errors import BadInput

Replica = TypeVar("Replica")

PATIENCE_SECONDS = 120.0
"""Seconds for which a batch is sent again before the search fails, enough for a searcher to start again."""
_PAUSE_SECONDS = 0.5
"""Seconds between two rounds through all replicas."""


class ReplicaLost(Exception):
    """This replica does not answer; another replica may."""


class Replicas(Generic[Replica]):
    """Equal replicas, for calls from several threads."""

    def __init__(self, replicas: Sequence[Replica], patience: float = PATIENCE_SECONDS) -> None:
        self._open = dict.fromkeys(replicas, 0)
        """Calls in progress, by replica."""
        # Choosing the least loaded replica and counting the call are one step: otherwise several threads would choose
        # the same replica.
        self._counting = threading.Lock()
        self._patience = patience

    def __iter__(self) -> Iterator[Replica]:
        return iter(self._open)

    def ask(self, call: Callable[[Replica, float], list[list[Hit]]]) -> list[list[Hit]]:
        """Call the replica with the fewest calls of this process, and pass it the seconds that are left.

        Raises:
            SearchFailed: ``call`` raised `ReplicaLost` for every replica until the patience was used up.
        """
        deadline = time.monotonic() + self._patience
        tried: set[Replica] = set()
        while True:
            with self._least_loaded(tried) as replica:
                try:
                    return call(replica, max(0.0, deadline - time.monotonic()))
                except ReplicaLost as lost:
                    reason = lost
            tried.add(replica)  # not the same one twice before all others had their turn
            if time.monotonic() + _PAUSE_SECONDS > deadline:
                raise SearchFailed(f"no searcher answered in {self._patience:.0f} seconds: {reason}")
            if len(tried) == len(self._open):
                tried.clear()
                time.sleep(_PAUSE_SECONDS)

    @contextmanager
    def _least_loaded(self, excluded: Collection[Replica]) -> Iterator[Replica]:
        with self._counting:
            replica = min((each for each in self._open if each not in excluded), key=self._open.__getitem__)
            self._open[replica] += 1
        try:
            yield replica
        finally:
            with self._counting:
                self._open[replica] -= 1


class ServicesSearcher:
    """A `hits.Searcher` over several search services of one index."""

    def __init__(self, urls: Sequence[str], patience: float = PATIENCE_SECONDS) -> None:
        """Raises BadInput if one of the URLs is not an http address."""
        # A busy service gets a second attempt before the next service is tried.
        self._replicas = Replicas([HttpSearcher(url, attempts=2) for url in urls], patience)

    def check_index(self, digest: str) -> None:
        """Check that every service searches the passages with this digest (`folder.IndexInfo.digest`).

        Raises:
            BadInput: a service searches other passages, or cannot be reached.
        """
        for service in self._replicas:
            theirs = service.index()
            if theirs != digest:
                raise BadInput(
                    f"{service.url}: searches another index (passages {theirs[:12]}, not {digest[:12]}): "
                    "serve the index of this snapshot (masksearch serve)"
                )

    def search(self, queries: list[Query], k: int) -> list[list[Hit]]:
        """See `hits.Searcher`.

        Raises:
            SearchFailed: no service answered in time.
            BadInput: a service refuses the request.
        """

        def call(service: HttpSearcher, seconds: float) -> list[list[Hit]]:
            try:
                return service.search(queries, k)
            except SearchFailed as error:
                raise ReplicaLost(str(error)) from None

        return self._replicas.ask(call)

    def close(self) -> None:
        for service in self._replicas:
            service.close()
