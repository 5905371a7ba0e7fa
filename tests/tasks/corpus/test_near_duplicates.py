"""Near duplicates: found in any division into parts, kept once, and dropped only for a similar passage."""

import random
from itertools import pairwise
from pathlib import Path

import pytest

from schemas.corpus_settings import NearDuplicateSettings, PassageSettings, WorldSettings
from schemas.records import Duplicate, Passage, Signature, Split
from tasks.corpus.near_duplicates import duplicates_of, shingles, signatures_of
from tasks.corpus.passages import passages_of
from tasks.corpus.smallworld import write_world
from tasks.ledger import storage
from tests.support.dumpfiles import SNAPSHOT, Page, pages_of

SETTINGS = NearDuplicateSettings()
WORDS = [f"{first}{second}" for first in "bcdfgklmnprst" for second in ("alo", "eri", "ino", "ovu", "ulm")]


def text_of(seed: int, words: int = 60) -> list[str]:
    return random.Random(seed).choices(WORDS, k=words)


def changed(words: list[str], *places: int) -> list[str]:
    return [f"new{place}" if place in places else word for place, word in enumerate(words)]


def passage(number: int, text: str) -> Passage:
    return Passage(
        snapshot=SNAPSHOT,
        passage_id=f"{number}-0",
        page_id=number,
        revision_id=1,
        title=f"Page {number}",
        section="",
        text=text,
        links=[],
        lost=[],
        n_words=0,
    )


def duplicates(folder: Path, parts: list[list[Passage]], settings: NearDuplicateSettings = SETTINGS) -> list[Duplicate]:
    paths = []
    for number, passages in enumerate(parts):
        paths.append(str(folder / f"part-{number}.parquet"))
        storage.write_rows(paths[-1], Signature, signatures_of(passages, settings))
    return list(duplicates_of(paths, settings, SNAPSHOT))


def jaccard(one: str, other: str) -> float:
    first, second = shingles(one, SETTINGS), shingles(other, SETTINGS)
    return len(first & second) / len(first | second)


def test_the_first_of_near_duplicates_is_kept_in_any_division_into_parts(tmp_path: Path) -> None:
    texts = [
        text_of(1),
        text_of(2),
        changed(text_of(1), 30),
        text_of(3),
        text_of(2),
        changed(text_of(1), 5, 20, 40, 55),
    ]
    passages = [passage(number, " ".join(words).capitalize() + ".") for number, words in enumerate(texts)]
    found = duplicates(tmp_path, [passages])
    assert [(row.passage_id, row.kept) for row in found] == [("2-0", "0-0"), ("4-0", "1-0")]
    assert found[1].similarity == 1.0 and found[0].similarity == pytest.approx(0.9, abs=0.08)
    assert duplicates(tmp_path, [passages[:1], [], passages[1:4], passages[4:]]) == found
    assert duplicates(tmp_path, [[]]) == []


def test_a_dropped_passage_is_similar_to_the_passage_kept_for_it(tmp_path: Path) -> None:
    """A chain in which every passage is similar to the next, and the last is unlike the first."""
    chain = [text_of(1, 100)]
    for place in range(2, 100, 4):
        chain.append(changed(chain[-1], place))
    passages = [passage(number, " ".join(words)) for number, words in enumerate(chain)]
    assert all(jaccard(one.text, other.text) > 0.9 for one, other in pairwise(passages))
    found = duplicates(tmp_path, [passages])
    texts = {row.passage_id: row.text for row in passages}
    assert 15 < len(found) < 25
    assert all(jaccard(texts[row.passage_id], texts[row.kept]) > 0.68 for row in found)
    assert {row.kept for row in found}.isdisjoint(row.passage_id for row in found)


def test_scripts_without_spaces_are_compared_by_characters(tmp_path: Path) -> None:
    draw = random.Random(7)
    text = "".join(draw.choices("柏林是德国首都也市人口约百万年建成位于施普雷河东岸", k=120))
    texts = [text, text[:60] + "京" + text[61:], text[::-1]]
    found = duplicates(tmp_path, [[passage(number, text) for number, text in enumerate(texts)]])
    assert [(row.passage_id, row.kept) for row in found] == [("1-0", "0-0")]
    assert len(shingles("Berlin 柏林 is a town", SETTINGS)) == 3, "words, where most letters are Latin"


def test_the_small_world_s_retellings_are_all_kept(tmp_path: Path) -> None:
    """Retellings state the same facts on purpose, in other words."""
    write_world(WorldSettings(families={Split.TRAIN: 2}), "smallworld-20260101", str(tmp_path))
    pages = [row for row in pages_of(tmp_path, snapshot="smallworld-20260101") if isinstance(row, Page)]
    passages = [row for page in pages for row in passages_of(page, PassageSettings())]
    assert len(passages) > 300
    assert duplicates(tmp_path, [passages]) == []


def test_real_passages_are_found_as_an_exact_comparison_finds_them(test_data: Path, tmp_path: Path) -> None:
    pages = pages_of(test_data / "wiki" / "enwiki-multistream-derived")
    every = [row for page in pages if isinstance(page, Page) for row in passages_of(page, PassageSettings())]
    passages = every[:1000]
    copies = [passage(10**6 + number, row.text + " And so on.") for number, row in enumerate(passages[::10])]
    found = duplicates(tmp_path, [passages, copies])
    texts = {row.passage_id: row.text for row in [*passages, *copies]}
    long = [row.passage_id for row in copies if len(row.text.split()) > 40]
    dropped = {row.passage_id for row in found}
    assert len(dropped.intersection(long)) > 0.97 * len(long)
    assert all(jaccard(texts[row.passage_id], texts[row.kept]) > 0.65 for row in found)
