"""Passages in place of results: as many, about as long, and never one that helps."""

import asyncio
import pickle
from pathlib import Path

from retrieval_index.hits import Hit, Query
from schemas.records import Passage
from tasks.evaluation.random_retrieval import PassagePool, RandomPassages, RandomRetrieval
from tasks.ledger import storage
from tests.support.examples import SNAPSHOT, ramp_question

QUESTION = ramp_question("The mayor of Kalo is Marel Tovi.", ["Marel Tovi"], {"Marel Tovi": ["M. Tovi"]})


def _passage(page: int, text: str) -> Passage:
    return Passage(
        snapshot=SNAPSHOT,
        passage_id=f"{page}-0",
        page_id=page,
        revision_id=1,
        title=f"Page {page}",
        section="",
        text=text,
        links=[],
        lost=[],
        n_words=len(text.split()),
    )


def _corpus() -> list[Passage]:
    short = [_passage(page, f"the {page}th town is small") for page in range(200)]
    long = [_passage(page, f"the {page}th " + "very " * 60 + "long town") for page in range(200, 400)]
    telling = [_passage(page, f"here Marel Tovi the {page}th lives") for page in range(400, 480)]
    also = [_passage(page, f"here M. Tovi the {page}th lives") for page in range(480, 520)]
    return [*short, *long, *telling, *also]


class Live:
    hits = (
        Hit("7-0", 3.0, "Page 7", "the 7th town is small"),
        Hit("300-0", 2.0, "Page 300", "the 300th " + "very " * 60 + "long town"),
    )

    async def search(self, query: Query, k: int) -> list[Hit]:
        return list(self.hits[:k]) if query.text != "nothing" else []


def _pool(folder: Path, size: int = 50_000) -> PassagePool:
    rows = _corpus()
    for part in range(4):
        storage.write_rows(str(folder / f"part-{part}.parquet"), Passage, rows[part::4])
    return PassagePool.read([str(folder / f"part-{part}.parquet") for part in range(4)], seed=1, size=size)


def _found(pool: PassagePool, text: str = "kalo", seed: int = 1) -> list[Hit]:
    searcher = RandomPassages(Live(), pool, QUESTION, seed)
    return asyncio.run(searcher.search(Query(text, hold_back="11"), 2))


def test_as_many_passages_as_long_but_others(tmp_path):
    pool = _pool(tmp_path)
    for seed in range(50):
        found = _found(pool, seed=seed)
        assert [hit.score for hit in found] == [3.0, 2.0]
        assert [len(hit.text.split()) for hit in found] == [5, 64]
        assert not {hit.passage_id for hit in found} & {"7-0", "300-0", "11-0"}
        assert not any("Tovi" in hit.text for hit in found)


def test_the_draw_depends_on_seed_and_query_alone(tmp_path):
    pool = _pool(tmp_path)
    assert _found(pool) == _found(pool)
    assert _found(pool) != _found(pool, text="mayor")
    assert _found(pool) != _found(pool, seed=2)


def test_where_live_search_finds_nothing_there_is_nothing(tmp_path):
    assert _found(_pool(tmp_path), text="nothing") == []


def test_of_a_large_corpus_a_part_is_enough(tmp_path):
    assert len(_found(_pool(tmp_path, size=150))) == 2


def test_retrieval_by_lot_is_the_same_in_another_process(tmp_path):
    expected = _found(_pool(tmp_path))
    retrieval = RandomRetrieval([str(tmp_path / f"part-{part}.parquet") for part in range(4)], seed=1)
    for there in (retrieval, pickle.loads(pickle.dumps(retrieval))):
        assert asyncio.run(there(Live(), QUESTION).search(Query("kalo", hold_back="11"), 2)) == expected
