"""Passages: prose paragraphs with their links and losses rebased, cut at sentence ends."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.corpus_settings import PassageSettings
from schemas.records import Page, Passage
from tasks.corpus.passages import n_words, passages_of
from tasks.corpus.sentences import sentences
from tasks.dumps.xml import Site
from tasks.wikitext.cleaning import clean
from tasks.wikitext.wikis import wiki_of_site
from tests.support.dumpfiles import SNAPSHOT, pages_of


def page_of(wikitext: str, snapshot: str = SNAPSHOT) -> Page:
    cleaned = clean(wikitext, wiki_of_site(Site(), "en"))
    return Page(
        snapshot=snapshot,
        page_id=42,
        revision_id=7,
        title="Town",
        namespace=0,
        redirects=[],
        text=cleaned.text,
        links=cleaned.links,
        lost=cleaned.lost,
        n_chars=len(cleaned.text),
    )


def passages(wikitext: str, max_words: int = 200, snapshot: str = SNAPSHOT) -> list[Passage]:
    return list(passages_of(page_of(wikitext, snapshot), PassageSettings(max_words=max_words)))


def is_whole(passage: Passage, page: Page) -> bool:
    links = all(passage.text[link.start : link.end] == link.anchor for link in passage.links)
    lost = all(0 <= mark.start <= len(passage.text) for mark in passage.lost)
    return links and lost and passage.text in page.text


def test_paragraphs_are_numbered_and_name_their_section() -> None:
    found = passages(
        "'''Town''' is a [[town]].\n\nIt is old.\n== History ==\nIt was founded by [[Ann]].\n* a list item, no prose.\n"
        "=== War ===\n: an indented line.\nIt burnt."
    )
    assert [(row.passage_id, row.section, row.text) for row in found] == [
        ("42-0", "", "Town is a town."),
        ("42-1", "", "It is old."),
        ("42-2", "History", "It was founded by Ann."),
        ("42-3", "War", "It burnt."),
    ]
    assert [(link.target, link.start, link.end) for link in found[2].links] == [("Ann", 18, 21)]
    assert (found[0].title, found[0].page_id, found[0].revision_id, found[0].n_words) == ("Town", 42, 7, 4)


def test_a_fragment_without_a_full_stop_is_not_a_passage() -> None:
    assert passages("Some caption\n\n" + "word " * 25 + "as follows:") == passages("word " * 25 + "as follows:")


def test_a_long_paragraph_is_cut_evenly_at_sentence_ends() -> None:
    text = " ".join(f"Sentence {number} of the [[Page {number}|page]] has <math>x</math> here." for number in range(60))
    found = passages(text, max_words=200)
    page = page_of(text)
    assert " ".join(row.text for row in found) == page.text
    assert len(found) == 3 and all(100 <= row.n_words <= 200 for row in found)
    assert all(row.text.endswith("here.") and is_whole(row, page) for row in found)
    assert sum(len(row.links) for row in found) == sum(len(row.lost) for row in found) == 60


def test_a_sentence_without_end_is_cut_between_words() -> None:
    found = passages("word " * 450 + "end.", max_words=200)
    assert [row.n_words for row in found] == [200, 200, 51]
    assert all(row.text == row.text.strip() for row in found)


def test_chinese_is_counted_by_characters_and_cut_at_its_own_stops() -> None:
    assert n_words("柏林在1237年建成。") == 7
    found = passages("柏林是德国首都。" * 60, max_words=200, snapshot="zhwiki-20240101")
    assert len(found) == 3 and all(row.text.endswith("。") and row.n_words <= 200 for row in found)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.sampled_from(["word", "[[Link|two words]]", "<math>x</math>", "End.", "Dr.", "(", ")", "𝔘", "7", "\n\n"])
    ),
    st.integers(1, 12),
)
def test_any_text_keeps_its_words_and_offsets(pieces: list[str], max_words: int) -> None:
    page = page_of(" ".join(pieces))
    found = list(passages_of(page, PassageSettings(max_words=max_words)))
    assert all(is_whole(row, page) and row.text == row.text.strip() for row in found)
    said = " ".join(word for row in found for word in row.text.split())
    assert all(" ".join(block.split()) in said for block in page.text.split("\n\n") if block.endswith("."))


@pytest.fixture(scope="module")
def real(test_data: Path) -> list[Page]:
    return [row for row in pages_of(test_data / "wiki" / "enwiki-multistream-derived") if isinstance(row, Page)]


def test_real_passages_are_clean_bounded_and_exact(real: list[Page]) -> None:
    found = [(page, row) for page in real for row in passages_of(page, PassageSettings())]
    assert 4500 < len(found) < 5500
    assert len({row.passage_id for _, row in found}) == len(found)
    assert all(is_whole(row, page) and 0 < row.n_words <= 200 for page, row in found)
    cut_short = [row for _, row in found if row.n_words >= 20 and row.text[0].islower()]
    assert len(cut_short) < 0.01 * len(found)


def test_real_paragraphs_have_the_sentences_that_a_reader_counts(real: list[Page]) -> None:
    (lincoln,) = [page for page in real if page.title == "Abraham Lincoln"]
    first = next(passages_of(lincoln, PassageSettings())).text
    starts = [first[start : start + 12] for start, _ in sentences(first, "en")]
    assert starts[:3] == ["Abraham Linc", "Lincoln led ", "In doing so,"]
