"""RAMP on whole corpora: the small world, and real Wikipedia in English and Chinese."""

from collections import Counter
from pathlib import Path

import pytest

from retrieval_index.hits import Hit, Query, Searcher
from retrieval_index.opening import build_index, open_index
from schemas.corpus_settings import IndexSettings, PassageSettings, RampSettings, WorldSettings
from schemas.records import Page, Passage, Question, Split
from schemas.settings import AgentSettings
from schemas.snapshot import language_of
from tasks.corpus.pages import read_pages
from tasks.corpus.passages import passages_of
from tasks.corpus.smallworld import write_world
from tasks.corpus.words import is_whole, occurrences
from tasks.dumps.dumps import cut, find_dump
from tasks.ramp.evidence import certify
from tasks.ramp.questions import questions_of_pages
from tasks.ramp.splits import Splits
from tests.tasks.ramp.examples import assert_honest


def passages_in(dump: Path, snapshot: str) -> list[Passage]:
    pages = [page for part in cut(find_dump(str(dump)), 16) for page in read_pages(part, snapshot)]
    return [found for page in pages if isinstance(page, Page) for found in passages_of(page, PassageSettings())]


def questions_in(passages: list[Passage], splits: Splits, settings: RampSettings) -> list[Question]:
    language = language_of(passages[0].snapshot)
    rows = questions_of_pages(passages, {}, splits, settings, language)
    return [row for row in rows if isinstance(row, Question)]


def assert_fair(question: Question) -> None:
    assert question.masked_text.count("[mask]") == question.n_masks == len(question.masks)
    filled = question.masked_text
    for mask in question.masks:
        assert question.text[mask.start : mask.end] == mask.surface
        assert is_whole(question.text, mask.start, mask.end)
        assert occurrences(question.text, mask.surface) == 1
        assert mask.surface.casefold() != question.title.casefold()
        filled = filled.replace("[mask]", mask.surface, 1)
    assert filled == question.text
    assert sum(mask.end - mask.start for mask in question.masks) <= 0.45 * len(question.text)


class Counting:
    """A searcher that counts its queries."""

    def __init__(self, searcher: Searcher) -> None:
        self._searcher = searcher
        self.asked = 0

    def search(self, queries: list[Query], k: int) -> list[list[Hit]]:
        self.asked += len(queries)
        return self._searcher.search(queries, k)


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> tuple[list[Passage], Splits, RampSettings]:
    folder = tmp_path_factory.mktemp("world")
    settings = WorldSettings(families={Split.TRAIN: 1, Split.TEST: 1})
    write_world(settings, "smallworld-20260101", str(folder))
    ramp = RampSettings(splits="table", min_words=12, max_masked_share=0.45, show_title=False, evidence_hits=2)
    return passages_in(folder, "smallworld-20260101"), Splits.of(ramp, str(folder)), ramp


def test_nearly_every_mask_of_the_small_world_is_certified_by_searches_without_the_gold(world, tmp_path):
    passages, splits, settings = world
    agent = AgentSettings(hits=2, hold_back="page")
    index = str(tmp_path / "index")
    build_index([(found.passage_id, found.title, found.text) for found in passages], index, IndexSettings())
    searcher = open_index(index)
    counting = Counting(searcher)
    questions = certify(questions_in(passages, splits, settings), counting, settings, agent)
    masks = [mask for question in questions for mask in question.masks]
    assert sum(mask.evidence is not None for mask in masks) / len(masks) > 0.97
    assert counting.asked < len(questions), "most searches serve several questions"
    for question in questions:
        assert_fair(question)
        assert_honest(question, searcher, agent)


def test_numbers_of_masks_are_balanced_and_both_splits_have_questions(world):
    passages, splits, settings = world
    questions = questions_in(passages, splits, settings)
    assert {question.split for question in questions} == {Split.TRAIN, Split.TEST}
    counts = Counter(question.n_masks for question in questions)
    assert set(counts) == {1, 2, 3, 4}
    assert max(counts.values()) < 1.6 * min(counts.values())


@pytest.mark.parametrize(
    ("dump", "snapshot", "fewest"),
    [("en.wiki.xml.bz2", "enwiki-20240101", 40), ("zh.wiki.xml.bz2", "zhwiki-20240101", 1)],
)
def test_real_paragraphs_become_fair_questions(test_data, dump, snapshot, fewest):
    settings = RampSettings(splits="held_out", masks_per_paragraph=4, min_words=30)
    passages = passages_in(test_data / "wiki" / "dbpedia-minidumps" / dump, snapshot)
    questions = questions_in(passages, Splits.of(settings, ""), settings)
    assert len(questions) >= fewest
    for question in questions:
        assert_fair(question)
