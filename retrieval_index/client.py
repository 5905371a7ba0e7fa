"""Search from an event loop: concurrent queries share batches, over a local index or services."""

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from retrieval_index.hits import Hit, Query, Searcher, SearchFailed
from retrieval_index.replicas import PATIENCE_SECONDS, ServicesSearcher

WORKERS_A_SERVICE = 4
"""Batches that one client sends to a service at one time."""


class _Batch:
    """Queries that go to the searcher together; ``task`` returns the hits of all of them."""

    task: asyncio.Task[list[list[Hit]]]

    def __init__(self) -> None:
        self.queries: list[Query] = []


class BatchingSearcher:
    """A `hits.AsyncSearcher` over a `hits.Searcher`.

    The first query of a batch waits ``max_wait_ms`` for further queries, and the batch stays open until one of the
    ``workers`` starts it: batches grow by themselves when queries arrive faster than they are answered. A caller that
    is cancelled does not affect the other callers of its batch. One object may serve several event loops in turn.
    """

    def __init__(self, searcher: Searcher, max_batch: int = 512, max_wait_ms: float = 2.0, workers: int = 1) -> None:
        self._searcher = searcher
        self._max_batch = max_batch
        self._max_wait = max_wait_ms / 1000
        self._workers = ThreadPoolExecutor(workers, thread_name_prefix="search")
        # A worker thread closes a batch while the event loop adds to it: without the lock a query could join a batch
        # that is already being searched, and would get no hits.
        self._joining = threading.Lock()
        self._open: dict[int, _Batch] = {}  # by k
        self._closed = False

    async def search(self, query: Query, k: int) -> list[Hit]:
        """See `hits.AsyncSearcher`.

        Raises:
            SearchFailed: the query's batch has no result, or this searcher is closed.
            BadInput: the index or service refuses the query.
        """
        with self._joining:
            if self._closed:
                raise SearchFailed("the searcher is closed")
            batch = self._joinable(k)
            place = len(batch.queries)
            batch.queries.append(query)
        # Shielded, because the task belongs to all queries of the batch: cancelling one of them must not end it.
        return (await asyncio.shield(batch.task))[place]

    def close(self) -> None:
        """Wait for running batches and fail waiting ones. The underlying searcher stays open; its owner closes it."""
        with self._joining:
            self._closed = True
        self._workers.shutdown(cancel_futures=True)

    def _joinable(self, k: int) -> _Batch:
        """The open batch for ``k``, or a new one; called with the lock held."""
        loop = asyncio.get_running_loop()
        batch = self._open.get(k)
        # A batch of an earlier event loop, or one whose task has ended, will never be searched.
        if batch and len(batch.queries) < self._max_batch and not batch.task.done() and batch.task.get_loop() is loop:
            return batch
        batch = self._open[k] = _Batch()
        batch.task = loop.create_task(self._answer(batch, k))
        return batch

    async def _answer(self, batch: _Batch, k: int) -> list[list[Hit]]:
        await asyncio.sleep(self._max_wait)
        try:
            work = self._workers.submit(self._take_up, batch, k)
        except RuntimeError:
            raise SearchFailed("the searcher is closed") from None
        answered = asyncio.wrap_future(work)
        # `wait`, unlike `await answered`, does not cancel the work if this task is cancelled, and tells a batch that
        # `close` took from the queue (work.cancelled) from a cancelled caller.
        await asyncio.wait([answered])
        if work.cancelled():
            raise SearchFailed("the searcher is closed")
        return answered.result()

    def _take_up(self, batch: _Batch, k: int) -> list[list[Hit]]:
        """In a worker thread: close the batch to further queries, then search it."""
        with self._joining:
            if self._open.get(k) is batch:
                del self._open[k]
        return self._searcher.search(batch.queries, k)


class RemoteSearcher(BatchingSearcher):
    """A `hits.AsyncSearcher` over search services of one index; each works on ``workers`` batches at one time."""

    def __init__(
        self, urls: Sequence[str], workers: int = WORKERS_A_SERVICE, patience: float = PATIENCE_SECONDS
    ) -> None:
        """Raises BadInput if one of the URLs is not an http address."""
        self.services = ServicesSearcher(urls, patience)
        super().__init__(self.services, workers=workers * len(urls))

    def close(self) -> None:
        super().close()
        self.services.close()
