"""The service behind a real socket, and its client when the service fails."""

import asyncio
import itertools
import socket
import threading
from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI

from retrieval_index.client import RemoteSearcher
from retrieval_index.hits import Hit, Query, Searcher, SearchFailed
from retrieval_index.opening import open_index
from retrieval_index.remote import HttpSearcher
from retrieval_index.service import create_app
from schemas.errors import BadInput
from tests.support.app_server import serving_app
from tests.support.http_server import Torn, serving

DIGEST = "d" * 64


@pytest.fixture(scope="module")
def local(index: str) -> Searcher:
    return open_index(index)


@pytest.fixture(scope="module")
def address(local: Searcher) -> Iterator[str]:
    with serving_app(create_app(local, DIGEST)) as url:
        yield url


QUERIES = [Query(text, hold) for text in ("tower of Dara", "Mila Fenn", "\ud800 zzz") for hold in (None, "1", "2-0")]


def test_a_service_answers_as_the_index_does(local: Searcher, address: str) -> None:
    remote = RemoteSearcher([address])

    async def ask() -> list[list[Hit]]:
        return await asyncio.gather(*(remote.search(query, 2) for query in QUERIES))

    assert asyncio.run(ask()) == local.search(QUERIES, 2)
    assert HttpSearcher(address).search(QUERIES, 2) == local.search(QUERIES, 2)
    remote.close()


def test_a_query_of_any_length_is_cut_at_one_place_by_an_index_and_by_a_service(local: Searcher, address: str) -> None:
    queries = [Query("Mila Fenn"), Query("tower " * 4000 + "lighthouse")]
    here, there = local.search(queries, 6), HttpSearcher(address).search(queries, 6)
    assert here == there
    assert here[0] and here[1] and "3-0" not in [hit.passage_id for hit in here[1]], "the lighthouse is cut off"


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"queries": [{"text": "a"}], "k": 0}, "k"),
        ({"queries": [], "k": 1}, "queries"),
        ({"queries": [{"words": "a"}], "k": 1}, "text"),
        ({"queries": [{"text": "a" * 20_001}], "k": 1}, "text"),
        ({"queries": [{"text": "a"}], "k": 1, "mode": "fast"}, "mode"),
    ],
)
def test_a_malformed_request_is_refused_with_the_place(address: str, body: dict[str, object], where: str) -> None:
    answer = httpx.post(f"{address}/search", json=body)
    assert (answer.status_code, answer.json()["error"]) == (400, "bad_request")
    assert where in answer.json()["message"]


def test_a_refused_request_is_bad_input_at_once(address: str) -> None:
    with pytest.raises(BadInput, match="less than or equal to 1000"):
        HttpSearcher(address).search(QUERIES, 5000)
    with pytest.raises(BadInput, match="HTTP 404"):
        HttpSearcher(f"{address}/elsewhere").search(QUERIES, 1)
    with pytest.raises(BadInput, match="not the address"):
        RemoteSearcher(["localhost:8000"])


class Failing:
    """Fails as often as told, then answers."""

    def __init__(self, times: int) -> None:
        self.left = times

    def search(self, queries: list[Query], k: int) -> list[list[Hit]]:
        self.left -= 1
        if self.left >= 0:
            raise SearchFailed("the disk is gone")
        return [[] for _ in queries]


def test_a_service_that_fails_now_and_then_is_asked_again() -> None:
    with serving_app(create_app(Failing(2), DIGEST)) as url:
        assert HttpSearcher(url, longest_pause=0.01).search([Query("a")], 1) == [[]]


def test_a_service_that_keeps_failing_is_a_failed_search_not_an_empty_one() -> None:
    failing = Failing(100)
    with (
        serving_app(create_app(failing, DIGEST)) as url,
        pytest.raises(SearchFailed, match="HTTP 503: the disk is gone"),
    ):
        HttpSearcher(url, attempts=3, longest_pause=0.01).search([Query("a")], 1)
    assert failing.left == 97


def test_a_service_that_is_not_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(SearchFailed, match=f"127.0.0.1:{port}"):
        HttpSearcher(f"http://127.0.0.1:{port}", attempts=2, longest_pause=0.01).search([Query("a")], 1)


def test_a_server_that_is_not_a_search_service() -> None:
    other = FastAPI()
    other.add_api_route("/search", lambda: {"welcome": "home"}, methods=["POST"])
    with serving_app(other) as url, pytest.raises(SearchFailed, match="not a search service"):
        HttpSearcher(url).search([Query("a")], 1)


class Waiting:
    """Answers when it is let go."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.most = self.now = 0
        self.counting = threading.Lock()

    def search(self, queries: list[Query], k: int) -> list[list[Hit]]:
        with self.counting:
            self.now += 1
            self.most = max(self.most, self.now)
        self.go.wait(30)
        with self.counting:
            self.now -= 1
        return [[] for _ in queries]


def test_a_busy_service_bounds_what_runs_and_what_waits() -> None:
    waiting = Waiting()

    async def crowd(url: str) -> list[int]:
        async with httpx.AsyncClient(timeout=30) as http:
            body = {"queries": [{"text": "a"}], "k": 1}
            asked = [asyncio.create_task(http.post(f"{url}/search", json=body)) for _ in range(10)]
            refused = [(await answered).status_code for answered in itertools.islice(asyncio.as_completed(asked), 5)]
            health = (await http.get(f"{url}/health")).json()
            while waiting.now < 2:
                await asyncio.sleep(0.01)
            waiting.go.set()
            assert health == {"status": "ok", "index": DIGEST, "running": 2, "waiting": 3}
            assert refused == [503] * 5
            return sorted([(await task).status_code for task in asked])

    with serving_app(create_app(waiting, DIGEST, workers=2, max_waiting=3)) as url:
        assert asyncio.run(crowd(url)) == [200] * 5 + [503] * 5
    assert waiting.most == 2


def test_an_answer_that_is_broken_once_is_asked_for_again() -> None:
    broken: list[tuple[int, object]] = [(200, b"<html>"), (200, {"hits": []}), (200, Torn(b'{"hits": '))]
    with serving(lambda *_: broken.pop() if broken else (200, {"hits": [[]]})) as url:
        assert HttpSearcher(url, longest_pause=0.01).search([Query("a")], 1) == [[]]
    assert not broken
