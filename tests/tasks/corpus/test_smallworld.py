"""The small world: a real dump, deterministic, whose splits share nothing and whose retellings can be looked up."""

import bz2
import hashlib
import json
import re
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from lxml import etree

from schemas.corpus_settings import WorldSettings
from schemas.errors import BadInput
from schemas.records import Split
from tasks.corpus.smallworld import WorldPage, world_pages, write_world
from tasks.corpus.worldtext import MONTHS

SETTINGS = WorldSettings(seed=3, families={Split.TRAIN: 3, Split.RL: 2, Split.DEV: 1, Split.TEST: 2}, retellings=6)
HARDER = SETTINGS.model_copy(update={"namesakes": 0.4, "aliases": 0.3, "descriptions": 0.5, "questions": 5})
SNAPSHOT = "smallworld-20260101"
STEM = "smallworld-20260101-pages-articles-multistream"
XML = "{http://www.mediawiki.org/xml/export-0.11/}"

LINK = re.compile(r"\[\[(?:([^]|]*)\|)?([^]]*)\]\]")
DATE_OR_NUMBER = re.compile(rf"\d{{1,2}} (?:{'|'.join(MONTHS)}) \d{{4}}|\d{{4}}")


@pytest.fixture(scope="module")
def pages() -> list[WorldPage]:
    return world_pages(SETTINGS)


@pytest.fixture(scope="module")
def dump(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dump")
    write_world(SETTINGS, SNAPSHOT, str(folder))
    return folder


def plain(wikitext: str) -> str:
    return LINK.sub(r"\2", wikitext).replace("'''", "")


def is_retelling(page: WorldPage) -> bool:
    return page.title.startswith("Chronicle ")


def shorts(pages: list[WorldPage]) -> dict[str, WorldPage]:
    return {page.title: page for page in pages if not is_retelling(page) and page.redirect is None}


def test_the_same_settings_give_the_same_bytes_and_another_seed_others(dump: Path, tmp_path: Path) -> None:
    for name, settings in [("same", SETTINGS), ("other", SETTINGS.model_copy(update={"seed": 4}))]:
        write_world(settings, SNAPSHOT, str(tmp_path / name))
    for file in dump.iterdir():
        assert file.read_bytes() == (tmp_path / "same" / file.name).read_bytes()
    assert (dump / f"{STEM}.xml.bz2").read_bytes() != (tmp_path / "other" / f"{STEM}.xml.bz2").read_bytes()


def test_the_dump_is_xml_with_siteinfo_and_every_page(dump: Path, pages: list[WorldPage]) -> None:
    root = etree.fromstring(bz2.decompress((dump / f"{STEM}.xml.bz2").read_bytes()))
    assert root.findtext(f"{XML}siteinfo/{XML}dbname") == "smallworld"
    found = root.findall(f"{XML}page")
    assert [page.findtext(f"{XML}title") for page in found] == [page.title for page in pages]
    assert [page.findtext(f"{XML}revision/{XML}text") for page in found] == [page.text for page in pages]
    redirects = [page.find(f"{XML}redirect") for page in found]
    assert [None if one is None else one.get("title") for one in redirects] == [page.redirect for page in pages]


def test_an_edited_world_differs_only_in_dates_numbers_and_revisions(tmp_path: Path) -> None:
    later = SETTINGS.model_copy(update={"edits": 0.2})
    for name, settings in [("before", SETTINGS), ("after", later)]:
        write_world(settings, SNAPSHOT, str(tmp_path / name))
    found = {}
    for name in ("before", "after"):
        root = etree.fromstring(bz2.decompress((tmp_path / name / f"{STEM}.xml.bz2").read_bytes()))
        found[name] = {
            page.findtext(f"{XML}title"): (
                page.findtext(f"{XML}revision/{XML}id"),
                page.findtext(f"{XML}revision/{XML}text"),
            )
            for page in root.findall(f"{XML}page")
        }
    before, after = found["before"], found["after"]
    assert list(before) == list(after)
    edited = [title for title in before if before[title] != after[title]]
    share = sum(not title.startswith("Chronicle ") for title in edited) / len(shorts(world_pages(SETTINGS)))
    assert 0.1 < share < 0.3
    assert any(title.startswith("Chronicle ") for title in edited), "the retellings change with the facts"
    for title in edited:
        (old_revision, old), (new_revision, new) = before[title], after[title]
        assert old_revision != new_revision
        assert old != new
        shapes = [re.sub(r"\|\d+", "|#", DATE_OR_NUMBER.sub("#", text)) for text in (old, new)]
        assert shapes[0] == shapes[1]


def test_a_stream_of_the_index_decompresses_alone(dump: Path) -> None:
    raw = (dump / f"{STEM}.xml.bz2").read_bytes()
    lines = bz2.decompress((dump / f"{STEM}-index.txt.bz2").read_bytes()).decode().splitlines()
    offsets = sorted({int(line.split(":", 1)[0]) for line in lines})
    assert len(offsets) > 2
    for offset in offsets:
        stream = bz2.BZ2Decompressor().decompress(raw[offset:]).decode()
        titles = re.findall("<title>(.*)</title>", stream)
        assert titles == [line.split(":", 2)[2] for line in lines if line.startswith(f"{offset}:")]


def test_every_page_has_a_split(dump: Path, pages: list[WorldPage]) -> None:
    table = pq.read_table(dump / "splits.parquet")
    assert table["page_id"].to_pylist() == list(range(1, len(pages) + 1))
    assert table["split"].to_pylist() == [page.split for page in pages]


def test_names_of_different_splits_share_no_word(pages: list[WorldPage]) -> None:
    words: dict[str, set[str]] = {}
    for page in shorts(pages).values():
        words.setdefault(page.split, set()).update(page.title.split())
    for split, own in words.items():
        text = " ".join(page.text for page in pages if page.split != split)
        assert own.isdisjoint(re.findall(r"\w+", text)), split


def test_every_link_leads_to_a_page_or_redirect_of_the_same_split(pages: list[WorldPage]) -> None:
    by_title = {page.title: page for page in pages}
    assert len(by_title) == len(pages)
    links = [(page, target or anchor) for page in pages for target, anchor in LINK.findall(page.text)]
    assert any(by_title[target].redirect for _, target in links)
    assert all(by_title[target].split == page.split for page, target in links)


def test_a_retold_fact_is_on_the_page_of_a_name_before_it_or_one_link_further(pages: list[WorldPage]) -> None:
    """Every span of a paragraph can thus be looked up in at most two steps."""
    short = shorts(pages)
    names = re.compile(rf"\b(?:{'|'.join(sorted(short, key=len, reverse=True))})\b")
    checked = 0
    for page in filter(is_retelling, pages):
        for sentence in re.split(r"(?<=\.)\s+", page.text):
            text = plain(sentence)
            known = names.findall(text)
            spans = [anchor for _, anchor in LINK.findall(sentence)] + DATE_OR_NUMBER.findall(text)
            for span in spans:
                near = [plain(short[name].text) for name in known if name != span]
                linked = [plain(short[name].text) for text in near for name in names.findall(text)]
                assert any(span in passage for passage in near + linked) or "birth date" in "".join(near), sentence
                checked += 1
    assert checked > 500


def test_a_paragraph_names_nothing_twice_and_holds_four_spans(pages: list[WorldPage]) -> None:
    paragraphs = [paragraph for page in filter(is_retelling, pages) for paragraph in page.text.split("\n\n")]
    enough = 0
    for paragraph in paragraphs:
        capitalised = [word for word in re.findall(r"[A-Z]\w+", plain(paragraph)) if word not in MONTHS]
        assert len(capitalised) == len(set(capitalised)), paragraph
        enough += len(LINK.findall(paragraph)) + len(DATE_OR_NUMBER.findall(paragraph)) >= 4
    assert enough > 0.99 * len(paragraphs)


def test_more_entities_than_names_is_bad_input() -> None:
    with pytest.raises(BadInput, match="names"):
        world_pages(WorldSettings(families={Split.TRAIN: 1000}, retellings=1))


def test_a_world_without_the_harder_settings_is_the_same_as_ever(pages: list[WorldPage]) -> None:
    """Existing roots keep their dump."""
    written = hashlib.sha256(json.dumps(pages).encode()).hexdigest()
    assert written == "d28e309101e56bee818a9e279bbbcc59d259e9fc075ae11169dededed6f63c30"


@pytest.fixture(scope="module")
def harder() -> list[WorldPage]:
    return world_pages(HARDER)


def test_towns_of_one_name_have_titles_that_tell_them_apart_and_retellings_do_not(harder: list[WorldPage]) -> None:
    assert len({page.title for page in harder}) == len(harder)
    named = Counter(title.partition(" (")[0] for title in shorts(harder) if " (" in title)
    families = sum(HARDER.families.values())
    assert set(named.values()) == {2}
    assert 1 <= len(named) / families <= 2, "four of ten towns, where rulers can tell them apart"
    for page in harder:
        for target, anchor in LINK.findall(page.text):
            name, _, ruler = target.partition(" (")
            if name in named and anchor != name:
                told = anchor == f"{name}, {ruler.removesuffix(')')}"
                assert told != is_retelling(page) or anchor not in shorts(harder), anchor
    for name in named:
        rulers = [page.text for title, page in shorts(harder).items() if title.startswith(f"{name} (")]
        assert len(rulers) == 2


def test_a_second_name_is_a_redirect_stands_on_the_short_page_and_is_used(harder: list[WorldPage]) -> None:
    second = {page.title: page.redirect for page in harder if page.redirect and "(" not in page.title}
    assert abs(len(second) - 0.3 * len(shorts(harder))) <= sum(HARDER.families.values())
    for name, title in second.items():
        assert re.search(rf"^'''[^']+''' or '''{name}'''", shorts(harder)[title].text)
    retold = " ".join(plain(page.text) for page in harder if is_retelling(page))
    used = sum(name in retold for name in second)
    assert used > 0.5 * len(second)


def test_a_described_entity_is_not_named_in_its_sentence(harder: list[WorldPage]) -> None:
    found = 0
    for page in filter(is_retelling, harder):
        for sentence in re.split(r"(?<=\.)\s+", page.text):
            described = re.match(r"The person who founded (\w+) ", sentence)
            firm = described and shorts(harder).get(described[1])
            if firm:
                founder = re.search(r"(?:by|founded by) \[\[([^]|]+)", firm.text)
                assert founder is not None
                assert founder[1] not in sentence
                found += 1
    assert found > 3


@pytest.mark.parametrize("part", ["dump", "questions.jsonl"])
def test_a_harder_world_gives_the_same_bytes_again(part: str, tmp_path: Path) -> None:
    for name in ("first", "again"):
        write_world(HARDER, SNAPSHOT, str(tmp_path / name))
    file = f"{STEM}.xml.bz2" if part == "dump" else part
    assert (tmp_path / "first" / file).read_bytes() == (tmp_path / "again" / file).read_bytes()
