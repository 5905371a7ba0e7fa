"""Several search services of one index: how batches are spread, and what happens when a service dies."""

import asyncio
import threading

import pytest

from retrieval_index.client import RemoteSearcher
from retrieval_index.hits import Hit, Query, SearchFailed
from retrieval_index.replicas import ReplicaLost, Replicas, ServicesSearcher
from retrieval_index.service import create_app
from schemas.errors import BadInput
from tests.support.app_server import serving_app

DIGEST = "d" * 64


class Echo:
    """Gives each query back, and counts them; stops answering where it is told to."""

    def __init__(self) -> None:
        self.answered, self.broken = 0, False

    def search(self, queries: list[Query], k: int) -> list[list[Hit]]:
        if self.broken:
            raise SearchFailed("the disk is gone")
        self.answered += len(queries)
        return [[Hit(query.text, 1.0, "", "")] for query in queries]


async def ask(searcher: RemoteSearcher, count: int) -> list[str]:
    found = await asyncio.gather(*(searcher.search(Query(str(n)), 1) for n in range(count)))
    return [hits[0].passage_id for hits in found]


def test_another_service_answers_for_a_broken_one() -> None:
    one, other = Echo(), Echo()
    with serving_app(create_app(one, DIGEST)) as first, serving_app(create_app(other, DIGEST)) as second:
        searcher = RemoteSearcher([first, second], patience=20.0)
        assert asyncio.run(ask(searcher, 20)) == [str(n) for n in range(20)]
        one.broken = True
        before = one.answered
        assert asyncio.run(ask(searcher, 20)) == [str(n) for n in range(20)]
        searcher.close()
    assert one.answered == before
    assert one.answered + other.answered == 40


def test_a_search_fails_if_no_service_answers_in_time() -> None:
    broken = Echo()
    broken.broken = True
    with serving_app(create_app(broken, DIGEST)) as url:
        searcher = ServicesSearcher([url], patience=0.1)
        with pytest.raises(SearchFailed, match="the disk is gone"):
            searcher.search([Query("a")], 1)


def test_a_service_of_another_index_and_an_absent_service_are_refused() -> None:
    with serving_app(create_app(Echo(), DIGEST)) as url:
        ServicesSearcher([url]).check_index(DIGEST)
        with pytest.raises(BadInput, match="searches another index"):
            ServicesSearcher([url]).check_index("e" * 64)
    with pytest.raises(BadInput, match="no search service answers"):
        ServicesSearcher([url]).check_index(DIGEST)


def test_calls_are_spread_over_the_replicas() -> None:
    calls: list[str] = []
    together = threading.Barrier(2)

    def call(replica: str, seconds: float) -> list[list[Hit]]:
        together.wait(10)
        calls.append(replica)
        return []

    replicas = Replicas(["a", "b"])
    threads = [threading.Thread(target=replicas.ask, args=(call,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(calls) == ["a", "b"]


def test_a_replica_that_comes_back_is_asked_again() -> None:
    tried: list[str] = []

    def call(replica: str, seconds: float) -> list[list[Hit]]:
        tried.append(replica)
        if len(tried) < 4:
            raise ReplicaLost("gone")
        return [[]]

    assert Replicas(["a", "b"]).ask(call) == [[]]
    assert tried == ["a", "b", "a", "b"]
