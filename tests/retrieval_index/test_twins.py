"""Passages with the same text are separate hits, and are held back together."""

from pathlib import Path

import pytest

from retrieval_index.hits import Query, Searcher
from retrieval_index.opening import build_index, open_index
from retrieval_index.twins import FILE
from schemas.corpus_settings import IndexSettings
from schemas.errors import BadInput
from tests.retrieval_index.test_encoder import save_encoder

TEXT = "ba be bi bo bu da"
PASSAGES = [
    ("1-0", "fa", TEXT),
    ("1-1", "fa", "ga ge gi"),
    ("10-0", "fe", " ba be\nbi bo  bu da "),
    ("2-0", "fi", "ga ge gi"),
    ("3-0", "fo", "ba be bi bo bu de"),
    ("4-0", "fu", ""),
    ("5-0", "ka", ""),
    ("x-y-0", "fu", TEXT),
]


@pytest.fixture(scope="module", params=["bm25", "dense", "hybrid"])
def searcher(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Searcher:
    folder: Path = tmp_path_factory.mktemp(request.param)
    encoder = None
    if request.param != "bm25":
        encoder = {"path": save_encoder(folder / "encoder", "bert"), "max_tokens": 48}
    settings = IndexSettings.model_validate({"kind": request.param, "encoder": encoder})
    build_index(PASSAGES, str(folder / "index"), settings)
    return open_index(str(folder / "index"), verify=True)


def found(searcher: Searcher, hold_back: str | None, k: int = 8) -> set[str]:
    (hits,) = searcher.search([Query(f"{TEXT} ga fu ka", hold_back)], k)
    return {hit.passage_id for hit in hits}


SAME = {"1-0", "10-0", "x-y-0"}


def test_each_is_a_separate_hit(searcher: Searcher) -> None:
    assert found(searcher, None) >= SAME


@pytest.mark.parametrize("own", ["1-0", "10-0", "x-y-0", "10", "x", "x-y"])
def test_all_are_held_back_with_one_of_them(searcher: Searcher, own: str) -> None:
    shown = found(searcher, own)
    assert shown & SAME == set()
    assert {"3-0", "1-1", "2-0"} <= shown, "another text is not"


def test_a_page_is_held_back_with_what_repeats_any_of_its_passages(searcher: Searcher) -> None:
    assert found(searcher, "1") & {*SAME, "1-1", "2-0"} == set()
    assert "3-0" in found(searcher, "1")


def test_passages_without_text_have_no_twins(searcher: Searcher) -> None:
    assert "5-0" in found(searcher, "4-0")


def test_the_file_belongs_to_the_index_that_needs_one(tmp_path: Path) -> None:
    build_index(PASSAGES[-3:], str(tmp_path / "plain"), IndexSettings())
    assert not (tmp_path / "plain" / FILE).exists()
    build_index(PASSAGES, str(tmp_path / "index"), IndexSettings())
    path = tmp_path / "index" / FILE
    path.write_bytes(b"?" * path.stat().st_size)
    with pytest.raises(BadInput, match=r"twins\.json: damaged"):
        open_index(str(tmp_path / "index"))
    path.unlink()
    with pytest.raises(BadInput, match=r"twins\.json is missing"):
        open_index(str(tmp_path / "index"))
