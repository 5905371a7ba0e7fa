"""Searchers as Ray actors, one of which hangs: its batches are answered by the others."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
import ray

from retrieval_index.hits import Hit, Query, SearchFailed
from tasks.rollouts.searchers import SearcherClient

pytestmark = pytest.mark.slow

QUERIES = [Query("Kalo"), Query("Marel")]


class Shelf:
    """Gives each query back, after so many seconds."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def search(self, queries: list[Query], k: int) -> list[list[Hit]]:
        time.sleep(self._seconds)
        return [[Hit(query.text, 1.0, "", "")] for query in queries]


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


def _shelves(*seconds: float) -> list[Any]:
    actor: Any = ray.remote(Shelf).options(num_cpus=0)
    shelves = [actor.remote(each) for each in seconds]
    ray.get([each.__ray_ready__.remote() for each in shelves])
    return shelves


def _asked(client: SearcherClient) -> tuple[list[str], float]:
    began = time.monotonic()
    found = client.search(QUERIES, 1)
    return [hits[0].passage_id for hits in found], time.monotonic() - began


def test_what_a_searcher_that_hangs_was_asked_another_answers() -> None:
    client = SearcherClient(_shelves(3600, 0), patience=20.0)
    assert _asked(client)[0] == ["Kalo", "Marel"]
    for _ in range(4):
        found, took = _asked(client)
        assert (found, took < 10) == (["Kalo", "Marel"], True), "it is not asked again at once"


def test_where_all_hang_the_search_has_failed_after_the_patience() -> None:
    client = SearcherClient(_shelves(3600, 3600), patience=2.0)
    with pytest.raises(SearchFailed, match="no searcher answered in 2 seconds: it did not answer in"):
        client.search(QUERIES, 1)


def test_the_only_searcher_has_all_of_the_patience() -> None:
    assert _asked(SearcherClient(_shelves(3), patience=20.0))[0] == ["Kalo", "Marel"]
