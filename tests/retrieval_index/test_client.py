"""Batches of concurrent queries: every caller gets its own answer, and a failure reaches all callers of its batch."""

import asyncio
import threading

import pytest

from retrieval_index.client import BatchingSearcher
from retrieval_index.hits import Hit, Query, SearchFailed
from retrieval_index.opening import open_index
from schemas.errors import BadInput


class Echo:
    """Gives each query back as its only hit, and remembers the batches. With ``held`` it answers when it may go on."""

    def __init__(self, held: bool = False) -> None:
        self.batches: list[list[str]] = []
        self.error: Exception | None = None
        self.running, self.may_go_on = threading.Event(), threading.Event()
        if not held:
            self.may_go_on.set()

    def search(self, queries: list[Query], k: int) -> list[list[Hit]]:
        self.running.set()
        self.batches.append([query.text for query in queries])
        assert self.may_go_on.wait(60)
        if self.error:
            raise self.error
        return [[Hit(f"{query.text}-{k}", 1.0, "", "")] for query in queries]


async def ask_all(searcher: BatchingSearcher, texts: list[str], k: int = 1) -> list[str]:
    found = await asyncio.gather(*(searcher.search(Query(text), k) for text in texts))
    return [hits[0].passage_id for hits in found]


def test_concurrent_queries_share_batches_and_each_gets_its_own_answer() -> None:
    echo = Echo()
    texts = [str(n) for n in range(50)]
    assert asyncio.run(ask_all(BatchingSearcher(echo, max_batch=20), texts)) == [f"{text}-1" for text in texts]
    assert [len(batch) for batch in echo.batches] == [20, 20, 10]


def test_different_numbers_of_hits_are_different_batches() -> None:
    searcher = BatchingSearcher(Echo())

    async def both() -> tuple[list[str], list[str]]:
        one, two = await asyncio.gather(ask_all(searcher, ["a", "b"], 1), ask_all(searcher, ["a", "b"], 2))
        return one, two

    assert asyncio.run(both()) == (["a-1", "b-1"], ["a-2", "b-2"])


def test_queries_that_arrive_while_a_batch_runs_form_the_next() -> None:
    echo = Echo(held=True)
    searcher = BatchingSearcher(echo, max_wait_ms=1)

    async def arriving() -> None:
        asked = []
        for n in range(10):
            asked.append(asyncio.create_task(searcher.search(Query(str(n)), 1)))
            await asyncio.to_thread(echo.running.wait, 60)
            await asyncio.sleep(0.01)
        echo.may_go_on.set()
        await asyncio.gather(*asked)

    asyncio.run(arriving())
    assert echo.batches == [["0"], [str(n) for n in range(1, 10)]]


@pytest.mark.parametrize("error", [SearchFailed("disk"), BadInput("k")])
def test_an_error_reaches_every_waiter_and_the_next_batch_is_tried(error: Exception) -> None:
    echo = Echo()
    searcher = BatchingSearcher(echo)

    async def failing() -> list[object]:
        return await asyncio.gather(*(searcher.search(Query(str(n)), 1) for n in range(3)), return_exceptions=True)

    echo.error = error
    assert [type(result) for result in asyncio.run(failing())] == [type(error)] * 3
    echo.error = None
    assert asyncio.run(ask_all(searcher, ["again"])) == ["again-1"]


def test_a_cancelled_caller_does_not_affect_the_others() -> None:
    echo = Echo(held=True)
    searcher = BatchingSearcher(echo)

    async def one_gives_up() -> list[Hit]:
        impatient = asyncio.create_task(searcher.search(Query("impatient"), 1))
        patient = asyncio.create_task(searcher.search(Query("patient"), 1))
        await asyncio.to_thread(echo.running.wait, 60)
        impatient.cancel()
        with pytest.raises(asyncio.CancelledError):
            await impatient
        echo.may_go_on.set()
        return await patient

    assert asyncio.run(one_gives_up())[0].passage_id == "patient-1"


def test_a_loop_that_is_left_with_a_batch_open_does_not_block_the_next_one() -> None:
    echo = Echo()
    searcher = BatchingSearcher(echo, max_wait_ms=60_000)

    async def leave() -> None:
        asyncio.get_running_loop().create_task(searcher.search(Query("left"), 1))
        await asyncio.sleep(0)

    asyncio.run(leave())
    searcher._max_wait = 0.001
    assert asyncio.run(ask_all(searcher, ["next"])) == ["next-1"]
    assert echo.batches == [["next"]]


def test_a_closed_searcher_fails_waiting_and_new_callers() -> None:
    echo = Echo(held=True)
    searcher = BatchingSearcher(echo, max_batch=1, max_wait_ms=0)

    async def closing() -> list[object]:
        asked = [asyncio.create_task(searcher.search(Query(str(n)), 1)) for n in range(3)]
        await asyncio.to_thread(echo.running.wait, 60)
        closed = asyncio.create_task(asyncio.to_thread(searcher.close))
        await asyncio.wait(asked[1:], timeout=60)
        asked.append(asyncio.create_task(searcher.search(Query("late"), 1)))
        echo.may_go_on.set()
        await closed
        return await asyncio.gather(*asked, return_exceptions=True)

    first, *others = asyncio.run(closing())
    assert isinstance(first, list)
    assert [type(other) for other in others] == [SearchFailed] * 3


def test_a_real_index_from_an_event_loop(index: str) -> None:
    local = open_index(index)
    searcher = BatchingSearcher(local)
    queries = [Query(text, hold) for text in ("tower", "Mila Fenn", "zzz") for hold in (None, "1", "2-0")] * 5

    async def ask() -> list[list[Hit]]:
        return await asyncio.gather(*(searcher.search(query, 2) for query in queries))

    assert asyncio.run(ask()) == local.search(queries, 2)
