"""``python -m trainers.acceptance.retrieval CONFIG.json`` (`schemas.jobs.RetrievalLoadJob`): searching under load.

The searchers of the placement receive queries as from rollouts: every engine batches its queries, and every rollout has
one query in flight at a time. Latencies are what a rollout waits.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import cycle, islice
from typing import Any

import numpy as np

from retrieval_index.client import WORKERS_A_SERVICE, BatchingSearcher
from retrieval_index.folder import read_info
from retrieval_index.hits import Query, Searcher, SearchFailed
from retrieval_index.opening import open_index
from retrieval_index.replicas import ServicesSearcher
from schemas.jobs import RetrievalLoadJob
from tasks import jobs
from tasks.requests.scheduling import run_job
from trainers.acceptance.queries import queries_of, questions_in

_PROGRESS_SECONDS = 1.0


def measure(job: RetrievalLoadJob) -> dict[str, Any]:
    """Run all queries, or as many as the time allows; returns their rate and latencies."""
    return run_job(_measure(job))


async def _measure(job: RetrievalLoadJob) -> dict[str, Any]:
    queries = queries_of(questions_in(job.questions), job.agent)
    async with _searchers(job) as clients:
        await asyncio.gather(*(client.search(queries[0], job.agent.hits) for client in clients))
        return await _Load(job, clients, islice(cycle(queries), job.queries)).run()


@asynccontextmanager
async def _searchers(job: RetrievalLoadJob) -> AsyncIterator[list[BatchingSearcher]]:
    """One client for each engine, over the searchers of the placement."""
    async with AsyncExitStack() as closing:
        urls = job.placement.search_urls
        searcher: Searcher
        if urls:
            services = closing.enter_context(contextlib.closing(ServicesSearcher(urls)))
            services.check_index(read_info(job.index).digest)
            searcher, workers = services, WORKERS_A_SERVICE * len(urls)
        elif not job.placement.is_in_cluster:
            searcher, workers = open_index(job.index), 1
        else:
            searcher, workers = await _started(job, closing), job.placement.searchers
        clients = [BatchingSearcher(searcher, workers=workers) for _ in range(job.clients)]
        for client in clients:
            closing.callback(client.close)
        yield clients


async def _started(job: RetrievalLoadJob, closing: AsyncExitStack) -> Searcher:
    """Start searchers in the Ray cluster; ``closing`` ends them."""
    import ray

    from tasks.capacity.ray_cluster import join_for
    from tasks.rollouts.searchers import SearcherClient, need_of, start_searchers

    join_for([need_of(job.placement)])
    actors = await start_searchers(job.index, job.placement)
    for actor in actors:
        closing.callback(ray.kill, actor)
    return SearcherClient(actors)


class _Load:
    """Concurrent rollouts that only search; they take ``queries`` from one shared iterator."""

    def __init__(self, job: RetrievalLoadJob, clients: list[BatchingSearcher], queries: Iterator[Query]) -> None:
        self._job, self._clients, self._queries = job, clients, queries
        self._seconds: list[float] = []
        self._failed, self._last_report = 0, 0.0

    async def run(self) -> dict[str, Any]:
        began = time.perf_counter()
        rollouts = (self._search(self._clients[n % len(self._clients)], began) for n in range(self._job.in_flight))
        await asyncio.gather(*rollouts)
        took = time.perf_counter() - began
        p50, p99 = np.percentile(self._seconds or [0.0], [50, 99]).tolist()
        return {
            "queries": len(self._seconds),
            "failed": self._failed,
            "seconds": round(took, 2),
            "queries_per_second": round(len(self._seconds) / took, 1),
            "p50_seconds": round(p50, 4),
            "p99_seconds": round(p99, 4),
        }

    async def _search(self, client: BatchingSearcher, began: float) -> None:
        for query in self._queries:
            sent = time.perf_counter()
            if sent - began > self._job.seconds:
                return
            try:
                await client.search(query, self._job.agent.hits)
            except SearchFailed:
                self._failed += 1
            else:
                self._seconds.append(time.perf_counter() - sent)
            if sent - self._last_report > _PROGRESS_SECONDS:
                self._last_report = sent
                jobs.report_progress(self._job.output, len(self._seconds), self._job.queries, "queries")


if __name__ == "__main__":
    jobs.main(RetrievalLoadJob, measure)
