"""Finding dumps and cutting them: paths that a user may give, and ranges that neither lose nor repeat a page."""

import bz2
import gzip
import re
from itertools import pairwise
from pathlib import Path

import pytest

from schemas.errors import BadInput
from schemas.records import Reject
from tasks.dumps import dumps
from tasks.dumps.dumps import DumpRange, cut, find_dump
from tests.support.dumpfiles import page_xml, pages_of, write_multistream, xml_dump

PAGES = [page_xml(number, f"Page {number}", f"This is page {number}. " * 40) for number in range(1, 13)]
STREAMS = [PAGES[start : start + 3] for start in range(0, 12, 3)]


def titles(path: Path, part_mb: float) -> list[str]:
    return [row.title for row in pages_of(path, part_mb)]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("dump.xml.bz2", b"PK\x03\x04 an archive", "neither bzip2, gzip nor XML"),
        ("dump.xml.bz2", b"", "neither bzip2, gzip nor XML"),
        ("dump.xml", b"<html><body>404</body></html>", "does not begin with a <mediawiki>"),
        ("dump.xml.bz2", bz2.compress(b"no XML at all"), "does not begin with a <mediawiki>"),
        ("dump.xml.bz2", bz2.compress(b"x")[:12], "does not begin with a <mediawiki>"),
        ("dump.xml.7z", b"7z\xbc\xaf\x27\x1c..........", "7z"),
        ("dump.xml", b'<?xml version="1.0" encoding="klingon"?><mediawiki/>', "unknown encoding"),
    ],
)
def test_a_file_that_is_not_a_dump_is_refused_in_one_line(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(BadInput, match=message) as error:
        find_dump(str(path))
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_a_missing_dump_and_a_folder_without_one_are_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such dump"):
        find_dump(str(tmp_path / "nothing.xml.bz2"))
    (tmp_path / "readme.txt").write_text("<mediawiki>")
    with pytest.raises(BadInput, match="folder without a dump"):
        find_dump(str(tmp_path))
    with pytest.raises(BadInput, match="cannot be opened"):
        find_dump("nosuchprotocol://bucket/dump.xml.bz2")


def test_the_path_of_a_folder_finds_the_dump_in_it(tmp_path: Path) -> None:
    path = write_multistream(tmp_path, STREAMS)
    assert find_dump(str(tmp_path)).path == str(path)
    (tmp_path / "dewiki-20240101-pages-articles-multistream.xml.bz2").write_bytes(path.read_bytes())
    with pytest.raises(BadInput, match="several dumps"):
        find_dump(str(tmp_path))


@pytest.mark.parametrize("part_mb", [1e-6, 0.0006, 99])
def test_every_cut_reads_every_page_once_with_and_without_an_index(tmp_path: Path, part_mb: float) -> None:
    path = write_multistream(tmp_path, STREAMS)
    indexed = cut(find_dump(str(path)), part_mb)
    expected = [f"Page {number}" for number in range(1, 13)]
    assert titles(path, part_mb) == expected
    (tmp_path / "enwiki-20240101-pages-articles-multistream-index.txt.bz2").unlink()
    scanned = cut(find_dump(str(path)), part_mb)
    assert scanned == indexed, "the same keys, whether there is an index or not"
    assert [part.key for part in scanned] == sorted({part.key for part in scanned})
    assert scanned[0].start == 0 and scanned[-1].end == path.stat().st_size
    assert len(scanned) == {1e-6: 6, 99: 1}.get(part_mb, len(scanned))


def test_streams_may_be_cut_within_pages_and_tags(tmp_path: Path) -> None:
    """pbzip2 writes such files: a stream may end anywhere, also within ``<page>``."""
    content = xml_dump(PAGES)
    tag = content.index(b"<page>", 2000)
    bounds = [0, 700, tag + 3, tag + 300, tag + 4000, len(content)]
    streams = [bz2.compress(content[start:end]) for start, end in pairwise(bounds)]
    path = tmp_path / "dump.xml.bz2"
    path.write_bytes(b"".join(streams))
    assert len(cut(find_dump(str(path)), 1e-6)) == 5
    assert titles(path, 1e-6) == [f"Page {number}" for number in range(1, 13)]


@pytest.mark.parametrize(
    ("name", "encoded", "parts"),
    [
        ("dump.xml", lambda content: content, 10),
        ("dump.xml.gz", gzip.compress, 1),
        ("dump.xml.bz2", bz2.compress, 1),
        ("dump.xml", lambda content: content.decode().encode("utf-16"), 1),
        ("dump.xml.bz2", lambda content: bz2.compress(b'<?xml version="1.0" encoding="ISO-8859-1"?>' + content), 1),
    ],
)
def test_every_packing_and_encoding_reads_the_same(tmp_path: Path, name: str, encoded, parts: int) -> None:
    path = tmp_path / name
    path.write_bytes(encoded(xml_dump(PAGES)))
    assert len(cut(find_dump(str(path)), 1e-6)) == parts
    assert titles(path, 1e-6) == titles(path, 1) == [f"Page {number}" for number in range(1, 13)]


def test_xml_is_cut_anywhere_and_reads_the_same(tmp_path: Path) -> None:
    """Cuts within a character, a tag or a page lose nothing; a file that ends early is reported."""
    texts = [f"Größe {number}, 東京都. " * (10 * number) for number in range(1, 9)]
    path = tmp_path / "dump.xml"
    path.write_bytes(xml_dump([page_xml(number, f"Page {number}", text) for number, text in enumerate(texts, 1)]))
    whole = pages_of(path)
    for part_bytes in range(1024, 1300):
        assert pages_of(path, part_bytes / 1e6) == whole
    path.write_bytes(path.read_bytes()[:-12])
    assert [row.reason for row in pages_of(path, 0.002) if isinstance(row, Reject)] == ["cut_off"]


@pytest.mark.parametrize(("name", "packed"), [("dump.xml.gz", gzip.compress), ("dump.xml.bz2", bz2.compress)])
def test_a_file_that_cannot_be_cut_and_is_too_large_for_one_worker_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, packed
) -> None:
    path = tmp_path / name
    path.write_bytes(packed(xml_dump(PAGES)))
    monkeypatch.setattr(dumps, "_LARGEST_PIECE", path.stat().st_size - 1)
    with pytest.raises(BadInput, match=r"cannot be cut would be one part.*multistream") as error:
        cut(find_dump(str(path)), 1e-6)
    assert str(path) in str(error.value) and "\n" not in str(error.value)
    assert len(cut(find_dump(str(path)), 1)) == 1, "a file within the requested part size is not refused"
    (tmp_path / "streams").mkdir()
    assert cut(find_dump(str(write_multistream(tmp_path / "streams", STREAMS))), 1e-6)


def test_part_files_are_one_dump_in_the_order_of_their_pages(tmp_path: Path) -> None:
    for first, last, pages in ((10000, 20000, PAGES[6:]), (1, 9999, PAGES[:6])):
        name = f"enwiki-20240101-pages-articles.xml-p{first}p{last}.bz2"
        (tmp_path / name).write_bytes(bz2.compress(xml_dump(pages)))
    dump = find_dump(str(tmp_path))
    assert dump.path == str(tmp_path) and len(dump.files) == 2
    assert titles(tmp_path, 1) == [f"Page {number}" for number in range(1, 13)]
    keys = [part.key for part in cut(dump, 1)]
    assert keys == sorted(keys)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["1.xml-p1p100", "3.xml-p201p300"], r"3.xml-p201p300.bz2: no file in the folder has pages 101 to 200"),
        (["1.xml-p1p100", "2.xml-p50p300"], r"2.xml-p50p300.bz2: its pages overlap those of .*1.xml-p1p100.bz2"),
    ],
)
def test_part_files_that_do_not_follow_on_each_other_are_refused(
    tmp_path: Path, names: list[str], message: str
) -> None:
    for name in names:
        (tmp_path / f"enwiki-20240101-pages-articles{name}.bz2").write_bytes(bz2.compress(xml_dump(PAGES)))
    with pytest.raises(BadInput, match=message) as error:
        find_dump(str(tmp_path))
    assert "\n" not in str(error.value)
    assert find_dump(str(tmp_path / f"enwiki-20240101-pages-articles{names[1]}.bz2")).files, "a single file is a dump"


def test_the_index_of_another_dump_is_refused(tmp_path: Path) -> None:
    path = write_multistream(tmp_path, STREAMS)
    index = tmp_path / "enwiki-20240101-pages-articles-multistream-index.txt.bz2"
    index.write_bytes(bz2.compress(b"17:1:Page 1\n"))
    with pytest.raises(BadInput, match="no stream starts at byte 17"):
        cut(find_dump(str(path)), 1)
    index.write_bytes(b"garbage")
    with pytest.raises(BadInput, match="not the index"):
        cut(find_dump(str(path)), 1)


INDEX = "enwiki-20240101-pages-articles-multistream-index.txt.bz2"


@pytest.mark.parametrize(
    "changed",
    [
        lambda offsets: [offsets[0], offsets[1] + 3, *offsets[2:]],
        lambda offsets: [offsets[0], offsets[1] - 1, offsets[2] + 40, offsets[3]],
        lambda offsets: [offsets[0], *(offset + 10 for offset in offsets[1:-1]), offsets[-1]],
    ],
)
def test_an_index_that_is_wrong_in_its_middle_is_not_used_and_loses_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, changed
) -> None:
    path = write_multistream(tmp_path, STREAMS)
    lines = bz2.decompress((tmp_path / INDEX).read_bytes()).decode().splitlines()
    offsets = changed([int(line.partition(":")[0]) for line in lines])
    (tmp_path / INDEX).write_bytes(bz2.compress("".join(f"{offset}:1:Title\n" for offset in offsets).encode()))
    notes: list[str] = []
    ranges = cut(find_dump(str(path)), 1e-6, notes.append)
    assert len(notes) == 1 and INDEX in notes[0] and "read without its index" in notes[0]
    assert titles(path, 1e-6) == titles(path, 99) == [f"Page {number}" for number in range(1, 13)]
    assert INDEX in caplog.text, "notes are logged by default"
    (tmp_path / INDEX).unlink()
    assert ranges == cut(find_dump(str(path)), 1e-6), "the ranges are found by the streams' magic numbers"


def test_an_index_that_lacks_entries_loses_nothing(tmp_path: Path) -> None:
    path = write_multistream(tmp_path, STREAMS)
    lines = bz2.decompress((tmp_path / INDEX).read_bytes()).splitlines(keepends=True)
    (tmp_path / INDEX).write_bytes(bz2.compress(lines[0] + lines[3]))
    assert titles(path, 1e-6) == [f"Page {number}" for number in range(1, 13)]


def without_text(page: str) -> str:
    return re.sub(r"<text>.*?</text>", '<text bytes="12" sha1="x" location="tt:7" id="7" />', page)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("enwiki-20240101-stub-articles.xml.gz", b"any", "a stub dump, which has no text; download the pages-articles"),
        ("enwiki-20240101-stub-meta-history12.xml.gz", b"any", "a stub dump"),
        ("dump.xml", xml_dump([without_text(page) for page in PAGES]), "a stub dump, which has no text"),
        ("dump.xml.bz2", bz2.compress(xml_dump([without_text(page) for page in PAGES])), "a stub dump"),
        ("enwiki-20240101-pages-logging.xml.gz", b"any", "a dump of log entries; download the pages-articles"),
        (
            "dump.xml",
            xml_dump([]).replace(b"</mediawiki>", b"<logitem></logitem></mediawiki>"),
            "a dump of log entries",
        ),
        ("enwiki-20240101-abstract.xml.gz", b"any", "a dump of abstracts"),
        (INDEX, bz2.compress(b"600:10:Elm\n"), "the index of a multistream dump, not the dump"),
        ("enwiki-20240101-all-titles-in-ns0.gz", b"any", "a list of titles"),
        ("enwiki-20240101-page.sql.gz", b"any", "a table of the database"),
        ("enwiki-20240101-cirrussearch-content.json.gz", b"any", "a dump of the search index"),
        ("dump.xml.bz2", b"<!DOCTYPE html>\n<html><body>404", "an HTML page, which servers send"),
        ("dump.xml.bz2", b"", "an empty file"),
    ],
)
def test_other_files_of_a_dump_folder_are_refused_by_their_kind(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(BadInput, match=message) as error:
        find_dump(str(path))
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_a_stub_dump_is_ignored_beside_a_dump_of_pages_and_refused_alone(tmp_path: Path) -> None:
    stub = tmp_path / "enwiki-20240101-stub-articles.xml.gz"
    stub.write_bytes(gzip.compress(xml_dump([without_text(page) for page in PAGES])))
    with pytest.raises(BadInput, match=r"stub-articles.xml.gz: a stub dump"):
        find_dump(str(tmp_path))
    pages = tmp_path / "enwiki-20240101-pages-articles.xml.gz"
    pages.write_bytes(gzip.compress(xml_dump(PAGES)))
    assert find_dump(str(tmp_path)).path == str(pages)


def test_a_dump_with_hidden_texts_is_not_taken_for_a_stub_dump(tmp_path: Path) -> None:
    path = tmp_path / "dump.xml"
    hidden = re.sub(r"<text>.*?</text>", '<text bytes="12" deleted="deleted" />', PAGES[0])
    path.write_bytes(xml_dump([hidden]))
    assert [row.reason for row in pages_of(path) if isinstance(row, Reject)] == ["no_text"]


def test_the_digest_follows_the_content_and_ranges_travel_as_json(tmp_path: Path) -> None:
    path = write_multistream(tmp_path, STREAMS)
    before = find_dump(str(path)).digest
    assert before == find_dump(str(tmp_path)).digest
    part = cut(find_dump(str(path)), 1e-6)[1]
    assert DumpRange.model_validate_json(part.model_dump_json()) == part
    write_multistream(tmp_path, [[page_xml(1, "Page 1", "Another text.")]])
    assert find_dump(str(path)).digest != before


def test_the_real_multistream_dump_is_cut_at_its_index(test_data: Path) -> None:
    folder = test_data / "wiki" / "enwiki-multistream-derived"
    parts = cut(find_dump(str(folder)), 0.25)
    assert [part.start for part in parts] == [0, 575005, 1617601]
