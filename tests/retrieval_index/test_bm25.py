"""Lucene itself: what is found, in which order, and what is never shown."""

import math
import random
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval_index import bm25, characters
from retrieval_index.hits import Hit, Query, Searcher, is_held_back
from retrieval_index.opening import build_index, open_index
from schemas.corpus_settings import IndexSettings
from schemas.errors import BadInput


@pytest.fixture(scope="module")
def searcher(index: str) -> Searcher:
    return open_index(index)


def ids(hits: list[Hit]) -> list[str]:
    return [hit.passage_id for hit in hits]


def built(out: Path, passages: list[tuple[str, str, str]], language: str = "en", threads: int = 2) -> Searcher:
    build_index(passages, str(out), IndexSettings(language=language), threads)
    return open_index(str(out))


def test_title_and_text_are_searched_and_come_back_as_they_were(searcher: Searcher) -> None:
    by_title, by_text = searcher.search([Query("Mila Fenn"), Query("lighthouse 1786")], 1)
    assert by_title[0].title == "Mila Fenn"
    assert by_text == [Hit("3-0", by_text[0].score, "Corbe", "Corbe, a harbour town, has a lighthouse of 1786.")]


def test_scores_are_those_of_the_formula_with_the_settings_of_the_index(searcher: Searcher) -> None:
    (hits,) = searcher.search([Query("lighthouse")], 5)
    # Words of the six passages with their titles, stop words left out: 9, 10, 7, 9, 8, and 7 in the one that is found.
    average = (9 + 10 + 7 + 9 + 8 + 7) / 6
    k1, b = 1.2, 0.75
    idf = math.log(1 + (6 - 1 + 0.5) / (1 + 0.5))
    assert ids(hits) == ["3-0"]
    assert hits[0].score == pytest.approx(idf / (1 + k1 * (1 - b + b * 7 / average)), rel=1e-3)


def test_a_passage_or_its_whole_page_is_held_back_and_others_move_up(searcher: Searcher) -> None:
    everything, no_passage, no_page = searcher.search(
        [Query("tower of Dara"), Query("tower of Dara", "1-2"), Query("tower of Dara", "1")], 2
    )
    assert [hit[:2] for hit in ids(everything)] == ["1-", "1-"]
    assert "1-2" not in ids(no_passage)
    assert len(no_passage) == 2
    assert ids(no_page) == ["11-0", "2-0"], "page 1 is held back, page 11 is not"


def test_a_hit_after_hundreds_of_held_back_passages_is_found(tmp_path: Path) -> None:
    page = [(f"7-{n}", "Onn", "the river Onn") for n in range(300)]
    searcher = built(tmp_path / "deep", [*page, ("8-0", "Corbe", "a town far from the sea, on the river Onn")])
    held, free = searcher.search([Query("river Onn", "7"), Query("river Onn")], 3)
    assert ids(held) == ["8-0"]
    assert ids(free) == ["7-0", "7-1", "7-10"]


def test_equal_scores_are_ordered_by_id_whatever_the_order_and_threads_of_the_build(tmp_path: Path) -> None:
    passages = [(f"{n}-0", "Dara", "the same words") for n in range(3000)]
    expected = sorted(passage_id for passage_id, _, _ in passages)[:20]
    for threads in (1, 4):
        random.Random(threads).shuffle(passages)
        searcher = built(tmp_path / str(threads), passages, threads=threads)
        assert ids(searcher.search([Query("same words")], 20)[0]) == expected


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=[])), max_size=8), st.integers(1, 9))
def test_any_text_is_a_valid_query(searcher: Searcher, texts: list[str], k: int) -> None:
    found = searcher.search([Query(text) for text in texts], k)
    assert len(found) == len(texts)
    assert all(len(hits) <= k for hits in found)


@pytest.mark.parametrize("text", ["", "  ", "of the", "zzz", '" AND ( OR \\ * ? ~'])
def test_a_query_without_a_word_of_the_index_finds_nothing(searcher: Searcher, text: str) -> None:
    assert searcher.search([Query(text)], 3) == [[]]


def test_a_query_may_have_thousands_of_words(searcher: Searcher) -> None:
    words = " ".join(f"word{n}" for n in range(3000))
    assert ids(searcher.search([Query(f"lighthouse {words}")], 3)[0]) == ["3-0"]


def test_less_than_one_hit_is_refused(searcher: Searcher) -> None:
    with pytest.raises(BadInput, match="k is 0"):
        searcher.search([Query("tower")], 0)


def test_a_batch_too_large_for_one_call_is_answered_in_order(
    searcher: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    queries = [Query(text, hold) for text in ("tower", "Mila", "Corbe", "river") for hold in (None, "1", "3-0")]
    whole = searcher.search(queries, 2)
    monkeypatch.setattr(bm25, "_HITS_AT_ONCE", 7)
    assert searcher.search(queries, 2) == whole
    assert [searcher.search([query], 2)[0] for query in queries] == whole
    for query, hits in zip(queries, whole, strict=True):
        assert not any(is_held_back(hit.passage_id, query.hold_back) for hit in hits)


def test_threads_get_the_hits_of_their_own_queries(searcher: Searcher) -> None:
    texts = ["lighthouse", "lifts", "painted", "river", "studied"]
    alone = {text: searcher.search([Query(text)], 3)[0] for text in texts}
    wrong: list[str] = []

    def ask(seed: int) -> None:
        order = random.Random(seed)
        for _ in range(60):
            asked = order.choices(texts, k=3)
            found = searcher.search([Query(text) for text in asked], 3)
            wrong.extend(text for text, hits in zip(asked, found, strict=True) if hits != alone[text])

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_unusual_texts_come_back_to_the_character(tmp_path: Path) -> None:
    text = '  "quoted" \\ back\tslash\n\nnew\r\nline 😀 漢字 \x00 end  '
    (hits,) = built(tmp_path / "odd", [("1-0", " two\n words ", text)]).search([Query("slash")], 1)
    assert (hits[0].title, hits[0].text) == ("two words", text)


@pytest.mark.parametrize(
    ("language", "text", "query"),
    [
        ("de", "Die Häuser am Fluss", "haus"),
        ("zh", "東京都庁の建物", "建物"),
        ("ja", "東京都庁の建物", "建物"),
        ("ko", "서울 도서관", "도서관"),
        ("el", "Ο ΠΥΡΓΟΣ της πόλης", "πυργοσ"),
        ("sw", "Mnara wa Dara", "mnara"),
    ],
)
def test_words_are_those_of_the_language(tmp_path: Path, language: str, text: str, query: str) -> None:
    searcher = built(tmp_path / language, [("1-0", "", text), ("2-0", "x", "x")], language)
    assert ids(searcher.search([Query(query)], 2)[0]) == ["1-0"]


ZH = [
    ("1-0", "长江", "长江是亚洲最长的河，水量很大。"),
    ("2-0", "年表", "2008年北京举办奥运会。"),
    ("3-0", "𠮷野家", "𠮷是一个汉字。"),
    ("4-0", "山", "山上有石头。"),
]
JA = [
    ("1-0", "水力発電", "水力発電は川を使う。"),
    ("2-0", "年表", "2008年に東京で開かれた。"),
    ("3-0", "𠮷野家", "𠮷野家は店である。"),
    ("4-0", "富士山", "富士山は高い。カメラで撮る。"),
]
KO = [("1-0", "한강", "한강은 서울을 흐른다."), ("4-0", "서울", "서울의 도서관.")]
TH = [("1-0", "กรุงเทพ", "กรุงเทพมหานครเป็นเมืองหลวงของประเทศไทย"), ("2-0", "เชียงใหม่", "เชียงใหม่อยู่ทางภาคเหนือ")]
LO = [("1-0", "ວຽງຈັນ", "ວຽງຈັນເປັນນະຄອນຫຼວງ"), ("2-0", "ປາກເຊ", "ເມືອງທາງໃຕ້")]


@pytest.mark.parametrize(
    ("language", "passages", "query", "expected"),
    [
        ("zh", ZH, "水", ["1-0"]),
        ("zh", ZH, "山", ["4-0"]),
        ("zh", ZH, "水 2008年", ["1-0", "2-0"]),
        ("zh", ZH, "２００８年", ["2-0"]),
        ("zh", ZH, "𠮷", ["3-0"]),
        ("zh", ZH, "犬", []),
        ("ja", JA, "水", ["1-0"]),
        ("ja", JA, "川", ["1-0"]),
        ("ja", JA, "士", ["4-0"]),
        ("ja", JA, "𠮷", ["3-0"]),
        ("ja", JA, "ｶ", ["4-0"]),
        ("ja", JA, "山 2008", ["2-0", "4-0"]),
        ("ko", KO, "강", ["1-0"]),
        ("ko", KO, "울 도서관", ["1-0", "4-0"]),
        ("en", ZH, "水", ["1-0"]),
        ("sw", JA, "川", ["1-0"]),
    ],
)
def test_one_character_finds_the_passages_with_it(
    tmp_path: Path, language: str, passages: list[tuple[str, str, str]], query: str, expected: list[str]
) -> None:
    searcher = built(tmp_path / language, passages, language)
    assert sorted(ids(searcher.search([Query(query)], 4)[0])) == expected


def test_a_passage_with_a_character_more_often_ranks_higher(tmp_path: Path) -> None:
    often = ("2-0", "x", "水，水，水水。" + "石头" * 10)
    searcher = built(tmp_path / "zh", [("1-0", "x", "河水流。" + "石头" * 11), often], "zh")
    assert ids(searcher.search([Query("水")], 2)[0]) == ["2-0", "1-0"]


@pytest.mark.parametrize(
    ("language", "passages", "query", "first"),
    [("th", TH, "เมืองหลวง", "1-0"), ("th", TH, "ภาคเหนือ", "2-0"), ("lo", LO, "ນະຄອນ", "1-0"), ("lo", LO, "ໃຕ້", "2-0")],
)
def test_scripts_that_lucene_cannot_cut_are_searched_by_pairs(
    tmp_path: Path, language: str, passages: list[tuple[str, str, str]], query: str, first: str
) -> None:
    searcher = built(tmp_path / language, passages, language)
    assert ids(searcher.search([Query(query)], 1)[0]) == [first]


@pytest.mark.parametrize(("language", "passages", "query"), [("zh", ZH, "北京 奥运会"), ("ja", JA, "東京 カメラ")])
def test_longer_words_score_as_without_single_characters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, language: str, passages: list[tuple[str, str, str]], query: str
) -> None:
    (hits,) = built(tmp_path / "with", passages, language).search([Query(query)], 4)
    monkeypatch.setattr(characters, "LANGUAGES", frozenset())
    assert built(tmp_path / "without", passages, language).search([Query(query)], 4) == [hits]
    assert hits


@pytest.mark.parametrize(
    ("passages", "line"),
    [
        ([("1-0", "a", "b"), ("2-0", "a", "b"), ("1-0", "c", "d")], "several passages have the passage_id '1-0'"),
        ([("1-0", " ", "\n")], "passage 1-0: title and text are empty"),
        ([("1-0", "a", "b"), (" ", "a", "b")], "passage 2: passage_id is empty"),
        ([], "no passages to index"),
    ],
)
def test_passages_that_cannot_be_indexed_leave_nothing_behind(
    tmp_path: Path, passages: list[tuple[str, str, str]], line: str
) -> None:
    with pytest.raises(BadInput, match=line):
        build_index(passages, str(tmp_path / "index"), IndexSettings())
    assert list(tmp_path.iterdir()) == []
