"""The speed of the index, as ratios, because seconds depend on the machine and its load.

    python tests/bench/bench_retrieval.py [PASSAGES]

builds an index of synthetic passages and searches for names: one by one, in batches, with the name's page held back.
"""

import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from retrieval_index.client import BatchingSearcher
from retrieval_index.hits import Query, Searcher
from retrieval_index.opening import build_index, open_index
from schemas.corpus_settings import IndexSettings

SYLLABLES = [first + middle + last for first in "bcdfglmnprst" for middle in "aeiou" for last in ("", "n")]
WORDS = [
    "was",
    "is",
    "the",
    "founded",
    "in",
    "town",
    "of",
    "by",
    "mayor",
    "river",
    "born",
    "lives",
    "firm",
    "from",
    "after",
]


def made_up(count: int) -> list[tuple[str, str, str]]:
    """Passages of 25 and of 90 words, three a page, whose names recur in each other's texts."""
    draw = random.Random(1)
    names = [" ".join("".join(draw.choices(SYLLABLES, k=3)).title() for _ in range(2)) for _ in range(count // 3 + 1)]

    def text(words: int) -> str:
        return " ".join(draw.choice(names) if draw.random() < 0.12 else draw.choice(WORDS) for _ in range(words))

    return [(f"{n // 3}-{n % 3}", names[n // 3], text(25 if n % 2 else 90)) for n in range(count)]


def rate(ask: Callable[[], object], queries: int, repeats: int = 3) -> float:
    """Queries a second, the best of several runs after one to warm up."""
    ask()
    best = float("inf")
    for _ in range(repeats):
        begun = time.perf_counter()
        ask()
        best = min(best, time.perf_counter() - begun)
    return queries / best


def one_by_one(searcher: Searcher, queries: list[Query], k: int) -> None:
    for query in queries:
        searcher.search([query], k)


def concurrently(searcher: Searcher, queries: list[Query], k: int) -> None:
    async def ask() -> None:
        batching = BatchingSearcher(searcher)
        await asyncio.gather(*(batching.search(query, k) for query in queries))
        batching.close()

    asyncio.run(ask())


def measure(searcher: Searcher, free: list[Query], held: list[Query]) -> dict[str, float]:
    few = free[:500]
    return {
        "one by one, k 2": rate(lambda: one_by_one(searcher, few, 2), len(few)),
        "a batch, k 2": rate(lambda: searcher.search(free, 2), len(free)),
        "a batch, k 2, page held back": rate(lambda: searcher.search(held, 2), len(held)),
        "a batch, k 10": rate(lambda: searcher.search(free, 10), len(free)),
        "concurrently from a loop, k 2": rate(lambda: concurrently(searcher, free, 2), len(free)),
    }


def main(count: int) -> None:
    passages = made_up(count)
    asked = random.Random(2).choices(passages, k=2000)
    free = [Query(title) for _, title, _ in asked]
    held = [Query(title, passage_id.partition("-")[0]) for passage_id, title, _ in asked]
    with tempfile.TemporaryDirectory() as folder:
        build_index(passages[:100], str(Path(folder) / "warm"), IndexSettings())
        begun = time.perf_counter()
        info = build_index(passages, str(Path(folder) / "index"), IndexSettings())
        built = info.documents / (time.perf_counter() - begun)
        rates = measure(open_index(str(Path(folder) / "index")), free, held)
    print(f"{'build':32}{built:10,.0f} passages/s, {info.bytes / info.documents:,.0f} bytes each")
    first = rates["one by one, k 2"]
    for name, value in rates.items():
        print(f"{name:32}{value:10,.0f} queries/s {value / first:8.1f} x")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
