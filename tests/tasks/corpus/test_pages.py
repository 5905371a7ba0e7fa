"""Pages and redirects of a dump: what is kept, what is rejected and why, and damage that costs no more than itself."""

import bz2
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from schemas.records import Page, Redirect, Reject
from tasks.corpus.pages import read_pages
from tasks.dumps.dumps import DumpRange, cut, find_dump
from tasks.dumps.streams import Compression
from tests.support.dumpfiles import (
    SNAPSHOT,
    page_xml,
    pages_of,
    redirects_of,
    revision_xml,
    write_multistream,
    xml_dump,
)

RESIDUE = re.compile(
    r"\{\{|\}\}|\[\[|\]\]|''|<ref|</|\{\||\|\}|[\x00-\x08]|&\w+;|\[http|style=|__[A-Z]+__|-\{|^[|!]", re.MULTILINE
)


def write(folder: Path, *pages: str) -> Path:
    path = folder / "dump.xml"
    path.write_bytes(xml_dump(pages))
    return path


def kept(rows: list[Page | Reject]) -> list[str]:
    return [row.title for row in rows if isinstance(row, Page)]


def rejected(rows: list) -> list[tuple[str, str]]:
    assert all(not row.failed and row.snapshot == SNAPSHOT for row in rows if isinstance(row, Reject))
    return [(row.row_id, row.reason) for row in rows if isinstance(row, Reject)]


def test_a_page_has_its_identifiers_text_and_links(tmp_path: Path) -> None:
    path = write(tmp_path, page_xml(5, "Old town", "An '''old town''' in [[Far land|the land]]."))
    (part,) = cut(find_dump(str(path)), 1)
    (page,) = read_pages(part, SNAPSHOT)
    assert isinstance(page, Page)
    assert page.text == "An old town in the land."
    assert (page.page_id, page.revision_id, page.namespace, page.n_chars) == (5, 1005, 0, 24)
    assert [(link.target, page.text[link.start : link.end]) for link in page.links] == [("Far land", "the land")]


def test_a_page_that_is_not_an_article_is_rejected_with_its_reason(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        page_xml(1, "Talk:Town", "Words.", namespace=1),
        page_xml(2, "Town (disambiguation)", "* [[Town]]"),
        page_xml(3, "Town", "'''Town''' may be:\n* [[A]]\n{{disambig}}"),
        page_xml(4, "Bare", "{{infobox|a=b}}"),
        page_xml(5, "Data", "", revisions=revision_xml(9, "{}", model="json")),
        page_xml(6, "Good", "A good page."),
        page_xml(7, "Elsewhere", "#REDIRECT [[Good]]", redirect="Good"),
    )
    rows = pages_of(path)
    assert kept(rows) == ["Good"]
    assert rejected(rows) == [
        ("1", "namespace"),
        ("2", "disambiguation"),
        ("3", "disambiguation"),
        ("4", "no_text"),
        ("5", "not_wikitext"),
    ]


def test_redirects_lead_to_whole_articles_only(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        page_xml(1, "U.K.", "#REDIRECT [[united_Kingdom]] {{R from abbreviation}}", redirect="United Kingdom"),
        page_xml(2, "UK history", "#redirect: [[United Kingdom#History]]", redirect="United Kingdom"),
        page_xml(3, "UK category", "#REDIRECT [[:Category:UK]]", redirect="Category:UK"),
        page_xml(4, "Großbritannien", "#WEITERLEITUNG [[United Kingdom]]"),
        page_xml(5, "Loop", "#REDIRECT [[Loop]]", redirect="Loop"),
        page_xml(6, "Numbered", "# a list that begins a page\n# [[Link]]"),
        page_xml(7, "Talk:UK", "#REDIRECT [[Talk:United Kingdom]]", redirect="Talk:United Kingdom", namespace=1),
    )
    rows = redirects_of(path)
    assert [(row.title, row.target) for row in rows if isinstance(row, Redirect)] == [
        ("U.K.", "United Kingdom"),
        ("Großbritannien", "United Kingdom"),
    ]
    assert rejected(rows) == [("2", "redirect_to_section"), ("3", "redirect_outside"), ("5", "redirect_to_itself")]
    assert kept(pages_of(path)) == ["Numbered"]


def test_the_redirect_element_names_the_target_not_the_text(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        page_xml(1, "Old", "#REDIRECT [[Renamed]]", redirect="Elm"),
        page_xml(2, "Local", "#ALIH_LAIN [[Nowhere]]", redirect="Elm"),
        page_xml(3, "Encoded", "#REDIRECT [[R%26D#Staff]]", redirect="R&D"),
        page_xml(4, "Café", "#REDIRECT [[Caf&eacute; (place)]]", redirect="Café (place)"),
        page_xml(5, "Elm", "#REDIRECT [[Tree]] is what one would write. Elms are trees."),
    )
    rows = redirects_of(path)
    assert [(row.title, row.target) for row in rows if isinstance(row, Redirect)] == [
        ("Old", "Elm"),
        ("Local", "Elm"),
        ("Café", "Café (place)"),
    ]
    assert rejected(rows) == [("3", "redirect_to_section")]
    assert kept(pages_of(path)) == ["Elm"], "MediaWiki does not say that it is one"


def test_old_schemas_leave_redirects_to_the_text(tmp_path: Path) -> None:
    pages = [
        page_xml(1, "Ulme", "#перенаправление [[Caf%C3%A9]]\n\nMore."),
        page_xml(2, "Orme", "#redirection: [[Elm&nbsp;tree|x]]").replace("<revision>", "<redirect /><revision>"),
    ]
    path = write(tmp_path, *pages)
    path.write_bytes(path.read_bytes().replace(b'version="0.11"', b'version="0.4"'))
    rows = redirects_of(path)
    assert [(row.title, row.target) for row in rows if isinstance(row, Redirect)] == [
        ("Ulme", "Café"),
        ("Orme", "Elm tree"),
    ]
    assert pages_of(path) == []


def test_the_latest_revision_counts_in_any_order(tmp_path: Path) -> None:
    revisions = revision_xml(9, "The new text.", "2020-05-01T00:00:00Z") + revision_xml(
        12, "The old text.", "2009-05-01T00:00:00Z"
    )
    (page,) = pages_of(write(tmp_path, page_xml(1, "Town", "", revisions=revisions)))
    assert isinstance(page, Page) and (page.text, page.revision_id) == ("The new text.", 9)


def test_a_broken_page_does_not_affect_others(tmp_path: Path) -> None:
    good = page_xml(1, "Good", "A good page.")
    unclosed = page_xml(2, "Unclosed", "Words.").replace("</page>", "")
    crossed = page_xml(3, "Crossed", "Words.").replace("</title>", "</text>", 1)
    bomb = page_xml(4, "Bomb", "Words.").replace("Words", "&lol9;&lol9;")
    last = page_xml(5, "Last", "The last page.")
    path = write(tmp_path, good, unclosed, crossed, bomb, last)
    rows = pages_of(path)
    assert kept(rows) == ["Good", "Last"]
    assert rejected(rows) == [("2", "unclosed_page"), ("3", "bad_xml"), ("4", "bad_xml")]


def test_invalid_utf8_and_an_entity_bomb_in_the_head_are_harmless(tmp_path: Path) -> None:
    path = write(tmp_path, page_xml(1, "Bad", "Some XXXX."), page_xml(2, "Good", "A good page."))
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>\n'
    path.write_bytes(bomb + path.read_bytes().replace(b"XXXX", b"\xff\xfe\xfa\xc3"))
    rows = pages_of(path)
    assert kept(rows) == ["Good"] and rejected(rows) == [("1", "bad_xml")]


def streams_of_pages() -> list[list[str]]:
    return [[page_xml(10 * s + p, f"Page {s}.{p}", f"Text {s} {p}. " * 60) for p in range(3)] for s in range(1, 4)]


_BLOCK_SUM = 10
"""Offset of the checksum of a bzip2 stream's first block: with damage here all data decompresses, to wrong content."""


@pytest.mark.parametrize(("part_mb", "at"), [(1e-6, 60), (99, 60), (99, _BLOCK_SUM)])
def test_a_damaged_stream_is_rejected_and_all_others_are_read(tmp_path: Path, part_mb: float, at: int) -> None:
    path = write_multistream(tmp_path, streams_of_pages())
    second = cut(find_dump(str(path)), 1e-6)[2]
    content = bytearray(path.read_bytes())
    content[second.start + at : second.start + at + 4] = bytes(4)
    path.write_bytes(content)
    rows = pages_of(path, part_mb)
    assert kept(rows) == [f"Page {s}.{p}" for s in (1, 3) for p in range(3)]
    assert rejected(rows) == [(f"{second.start}-{second.end}", "damaged_stream")]


def test_a_truncated_file_gives_its_whole_pages(tmp_path: Path) -> None:
    path = write_multistream(tmp_path, streams_of_pages(), with_index=False)
    third = cut(find_dump(str(path)), 1e-6)[3]
    path.write_bytes(path.read_bytes()[: third.end - 30])
    rows = pages_of(path)
    assert kept(rows) == [f"Page {s}.{p}" for s in (1, 2) for p in range(3)]
    end = third.end - 30
    assert rejected(rows) == [(f"{third.start}-{end}", "damaged_stream"), (f"{end}-{end}", "cut_off")]
    assert rejected(redirects_of(path)) == rejected(rows), "neither stage loses it in silence"


def test_a_file_that_ends_between_two_streams_is_reported_as_cut_off(tmp_path: Path) -> None:
    """All remaining streams are whole: only the missing end of the document shows the loss."""
    path = write_multistream(tmp_path, streams_of_pages(), with_index=False)
    third = cut(find_dump(str(path)), 1e-6)[3]
    path.write_bytes(path.read_bytes()[: third.start])
    rows = pages_of(path, 1e-6)
    assert kept(rows) == [f"Page {s}.{p}" for s in (1, 2) for p in range(3)]
    assert rejected(rows) == [(f"{third.start}-{third.start}", "cut_off")]


def test_a_page_cut_off_with_the_file_is_named(tmp_path: Path) -> None:
    content = xml_dump([page_xml(1, "Good", "A good page."), page_xml(77, "Cut", "Words " * 400)])
    path = tmp_path / "dump.xml.bz2"
    path.write_bytes(bz2.compress(content[:-300]))
    rows = pages_of(path)
    size = path.stat().st_size
    assert kept(rows) == ["Good"]
    assert rejected(rows) == [("77", "unclosed_page"), (f"{size}-{size}", "cut_off")]
    assert f"within bytes 0-{size}" in rows[1].detail


_LARGE = """
import gzip, resource, sys
from pathlib import Path
from tests.support.dumpfiles import page_xml, pages_of, xml_dump

texts = {"First": "Words.", "Huge": "[[Link|words]] " * 4_000_000, "Last": "Words."}
pages = [page_xml(number, title, text) for number, (title, text) in enumerate(texts.items())]
path = Path(sys.argv[1])
with gzip.open(path, "wb", compresslevel=1) as file:
    for piece in xml_dump(pages[:1])[:-14], *(page.encode() for page in pages[1:]), b"</mediawiki>":
        file.write(piece)
del pages, texts
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(*[f"{getattr(row, 'title', '')}{getattr(row, 'reason', '')}" for row in pages_of(path)])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_a_page_of_sixty_megabytes_costs_neither_memory_nor_the_others(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", _LARGE, str(tmp_path / "dump.xml.gz")], capture_output=True, text=True, check=True
    )
    found, more_kilobytes = run.stdout.splitlines()
    assert found == "First oversized_page Last"
    assert int(more_kilobytes) < 100_000, "the page itself is never held"


# -- real dumps -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def english(test_data: Path) -> list[Page | Reject]:
    return pages_of(test_data / "wiki" / "enwiki-multistream-derived")


def test_any_cut_of_the_real_dump_gives_the_same_rows(test_data: Path, english: list[Page | Reject]) -> None:
    folder = test_data / "wiki" / "enwiki-multistream-derived"
    path = find_dump(str(folder)).path
    bounds = [0, 575005, Path(path).stat().st_size]
    rows = []
    for start, end in pairwise(bounds):
        part = DumpRange(key=str(start), path=path, compression=Compression.BZ2, encoding="utf-8", start=start, end=end)
        rows += list(read_pages(part, SNAPSHOT))
    assert rows == english
    assert len(kept(english)) == 98 and len(english) == 107


def test_the_real_pages_hold_no_markup_and_exact_links(english: list[Page | Reject]) -> None:
    articles = [row for row in english if isinstance(row, Page)]
    dirty = [(page.title, found[0]) for page in articles if (found := RESIDUE.search(page.text))]
    assert dirty == []
    links = [(page, link) for page in articles for link in page.links]
    assert len(links) > 20_000
    assert all(page.text[link.start : link.end] == link.anchor and link.target for page, link in links)


def test_redirects_of_the_real_dump_are_found(test_data: Path) -> None:
    rows = redirects_of(test_data / "wiki" / "enwiki-multistream-derived")
    redirects = {row.title: row.target for row in rows if isinstance(row, Redirect)}
    assert len(redirects) == 99 and redirects["AfghanistanHistory"] == "History of Afghanistan"


@pytest.mark.parametrize(
    ("name", "snapshot", "articles", "phrase"),
    [
        ("dbpedia-minidumps/zh.wiki.xml.bz2", "zhwiki-20200101", 1, "柏林在1237年建成，位于施普雷河东岸"),
        ("dbpedia-minidumps/de.wiki.xml.bz2", "dewiki-20200101", 2, "Am 3. Oktober 1990 wurden"),
        ("dbpedia-minidumps/en.wiki.xml.bz2", "enwiki-20200101", 23, "Nibun-no-Ichi, pronounced Ranma One-Half) is"),
        ("enwiki-gensim/enwiki-table-markup.xml.bz2", "enwiki-20200101", 5, "Brahui (براهوئي) is a Dravidian language"),
        ("pywikibot-xml/article-pear.xml", "enwiki-20100101", 1, "pear"),
        ("pywikibot-xml/article-pear-0.10.xml", "enwiki-20150101", 1, "The pear is any of several tree"),
    ],
)  # fmt: skip
def test_real_dumps_of_other_languages_and_schemas(
    test_data: Path, name: str, snapshot: str, articles: int, phrase: str
) -> None:
    rows = pages_of(test_data / "wiki" / name, snapshot=snapshot)
    pages = [row for row in rows if isinstance(row, Page)]
    assert len(pages) == articles
    assert any(phrase in page.text for page in pages)
    assert not any(RESIDUE.search(page.text) for page in pages)


@pytest.mark.parametrize(
    "name", ["pyrus.xml", "pyrus.xml.gz", "pyrus.xml.bz2", "pyrus-utf16.xml", "pyrus-utf16.xml.bz2"]
)
def test_a_real_page_of_six_revisions_is_read_in_every_packing(test_data: Path, name: str) -> None:
    """Without ``<ns>`` and ``<redirect>``; an older revision is not a redirect, the latest is."""
    path = test_data / "wiki" / "pywikibot-xml" / f"article-{name}"
    (row,) = redirects_of(path)
    assert isinstance(row, Redirect) and (row.title, row.target) == ("Pyrus", "Pear")
    assert pages_of(path) == []
