"""Small MediaWiki dumps for tests: plain XML, and multistream bzip2 with its index."""

import bz2
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape

from schemas.records import Page, Redirect, Reject
from tasks.corpus.pages import read_pages, read_redirects
from tasks.dumps.dumps import cut, find_dump

SNAPSHOT = "enwiki-20240101"

HEADER = """<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" version="0.11" xml:lang="en">
  <siteinfo><dbname>enwiki</dbname><case>first-letter</case>
    <namespaces>
      <namespace key="0" case="first-letter" /><namespace key="1" case="first-letter">Talk</namespace>
      <namespace key="6" case="first-letter">File</namespace>
      <namespace key="14" case="first-letter">Category</namespace>
    </namespaces>
  </siteinfo>
"""
FOOTER = "</mediawiki>\n"


def revision_xml(revision_id: int, text: str, timestamp: str = "2024-01-01T00:00:00Z", model: str = "wikitext") -> str:
    return (
        f"<revision><id>{revision_id}</id><timestamp>{timestamp}</timestamp><contributor><id>7</id></contributor>"
        f"<model>{model}</model><text>{escape(text)}</text></revision>"
    )


def page_xml(
    page_id: int, title: str, text: str, *, redirect: str = "", namespace: int = 0, revisions: str = ""
) -> str:
    """One ``<page>``; ``revisions`` replaces the single revision that holds ``text``."""
    leads = f'<redirect title="{escape(redirect)}" />' if redirect else ""
    revisions = revisions or revision_xml(page_id + 1000, text)
    head = f"<title>{escape(title)}</title><ns>{namespace}</ns><id>{page_id}</id>"
    return f"  <page>\n    {head}{leads}{revisions}\n  </page>\n"


def xml_dump(pages: Sequence[str]) -> bytes:
    return (HEADER + "".join(pages) + FOOTER).encode()


def write_multistream(folder: Path, streams: Sequence[Sequence[str]], with_index: bool = True) -> Path:
    """A dump of one compressed stream for the header, one for each list of pages, one for the footer."""
    data, index = bz2.compress(HEADER.encode()), ""
    for number, pages in enumerate(streams):
        index += f"{len(data)}:{number}:Title: with colon\n"
        data += bz2.compress("".join(pages).encode())
    data += bz2.compress(FOOTER.encode())
    path = folder / "enwiki-20240101-pages-articles-multistream.xml.bz2"
    path.write_bytes(data)
    if with_index:
        index_path = folder / "enwiki-20240101-pages-articles-multistream-index.txt.bz2"
        index_path.write_bytes(bz2.compress(index.encode()))
    return path


def pages_of(path: Path, part_mb: float = 99, snapshot: str = SNAPSHOT) -> list[Page | Reject]:
    """All that `read_pages` gives for a dump, range after range."""
    return [row for part in cut(find_dump(str(path)), part_mb) for row in read_pages(part, snapshot)]


def redirects_of(path: Path, part_mb: float = 99, snapshot: str = SNAPSHOT) -> list[Redirect | Reject]:
    return [row for part in cut(find_dump(str(path)), part_mb) for row in read_redirects(part, snapshot)]
