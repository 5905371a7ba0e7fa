"""The pages of a range of a dump: title, identifiers, wikitext of the latest revision.

A range owns the pages whose ``<page>`` begins in it. A page is cut out of the bytes by its tags and parsed alone:
memory is bounded by the largest page, a broken page does not affect others, and a document type, which could define
an entity bomb, is never read. A page that goes on behind the range's end is read to its end, so streams may be cut
anywhere.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from lxml import etree

from tasks.dumps.dumps import DumpRange
from tasks.dumps.reasons import Reason
from tasks.dumps.streams import Damage, SourceFile, as_utf8, decompressed
from tasks.ledger import storage

_OPEN, _CLOSE = b"<page>", b"</page>"
# The page's own id is the first in the element: those of its revision and contributor come behind it.
_PAGE_ID = re.compile(rb"<id>\s*(\d+)\s*</id>")
_SCHEMA = re.compile(rb"<mediawiki\b[^<>]*\bversion=[\"'](\d+)\.(\d+)")
_SITEINFO = re.compile(rb"<siteinfo>.*?</siteinfo>", re.DOTALL)
_HEADER_BYTES = 1 << 20
_FOOTER = b"</mediawiki>"
_FOOTER_WITHIN = 256
_LARGEST_PAGE = 16 << 20
"""Bytes. MediaWiki allows 2 MiB of wikitext, which becomes six times as much if every character is escaped."""


@dataclass(frozen=True)
class Site:
    """The facts about the wiki in the head of a dump."""

    namespaces: dict[int, str] = field(default_factory=dict)
    """Local names by number."""
    first_letter: bool = True
    """Whether titles begin with a capital."""
    names_redirects: bool = False
    """Whether a redirect has an element that names its target (export schema 0.6 and later)."""

    @property
    def prefixes(self) -> frozenset[str]:
        """The local names of all namespaces but the articles', in lower case."""
        return frozenset(name.lower() for number, name in self.namespaces.items() if number != 0)


@dataclass(frozen=True)
class RawPage:
    """``redirect`` is the target of a redirect, empty if its element does not name it; None for other pages."""

    page_id: int
    revision_id: int
    title: str
    namespace: int
    redirect: str | None
    model: str
    text: str
    timestamp: str = ""
    """When the revision was saved; sorts by time."""


@dataclass(frozen=True)
class Broken:
    """A page or a range of bytes that could not be read.

    ``row_id`` is the page's id, or ``start-end``, the bytes of the compressed file.
    """

    row_id: str
    reason: Reason
    detail: str


def read_site(dump_range: DumpRange) -> Site:
    """The site of the file that a range belongs to, read from the file's head."""
    head = b""
    with SourceFile(dump_range.path) as file:
        for piece in _utf8_pieces(file, dump_range, 0, storage.size_of(dump_range.path)):
            if isinstance(piece, Damage):
                break
            head += piece
            if b"</siteinfo>" in head or _OPEN in head or len(head) > _HEADER_BYTES:
                break
    schema = _SCHEMA.search(head)
    names_redirects = schema is not None and (int(schema[1]), int(schema[2])) >= (0, 6)
    found = _SITEINFO.search(head)
    if found is None:
        return Site(names_redirects=names_redirects)
    info = etree.fromstring(found[0], _parser())
    namespaces = {int(element.get("key")): element.text or "" for element in info.iter("namespace")}
    return Site(namespaces, info.findtext("case", "first-letter") == "first-letter", names_redirects)


class PageNumbers:
    """A summary of the ids of the pages that were read; they rise through a dump unless it has a page twice."""

    def __init__(self) -> None:
        self.counts = {"pages": 0, "lowest": 0, "highest": 0, "not_rising": 0}
        """Updated by `note`. ``not_rising`` counts the pages whose id is not above the ids of all pages before."""

    def note(self, page_id: int) -> None:
        counts = self.counts
        counts["not_rising"] += counts["pages"] > 0 and page_id <= counts["highest"]
        counts["lowest"] = min(counts["lowest"], page_id) if counts["pages"] else page_id
        counts["highest"] = max(counts["highest"], page_id)
        counts["pages"] += 1


def read_raw_pages(
    dump_range: DumpRange,
    site: Site,
    wanted: Callable[[bytes], object] | None = None,
    numbers: PageNumbers | None = None,
) -> Iterator[RawPage | Broken]:
    """The pages that begin in a range. With ``wanted``, pages for whose XML it returns a false value are skipped.

    ``numbers`` also notes the ids of skipped pages.
    """
    for element in _page_elements(dump_range):
        if isinstance(element, Broken):
            yield element
            continue
        if numbers is not None and (page_id := page_id_of(element)) is not None:
            numbers.note(page_id)
        if wanted is None or wanted(element):
            yield _parsed(element, dump_range, site)


def page_id_of(element: bytes) -> int | None:
    """The id of the page with this XML; None if it has no id."""
    found = _PAGE_ID.search(element)
    return int(found[1]) if found else None


def read_page_ids(dump_range: DumpRange) -> Iterator[int]:
    """The ids of the pages that begin in a range; the pages are not parsed."""
    for element in _page_elements(dump_range):
        if not isinstance(element, Broken) and (page_id := page_id_of(element)) is not None:
            yield page_id


# -- cutting pages out ----------------------------------------------------------------------------------------------


def _utf8_pieces(file: SourceFile, dump_range: DumpRange, start: int, end: int) -> Iterator[bytes | Damage]:
    return as_utf8(decompressed(file, dump_range.compression, start, end), dump_range.encoding)


def _page_elements(dump_range: DumpRange) -> Iterator[bytes | Broken]:
    size = storage.size_of(dump_range.path)
    with SourceFile(dump_range.path) as file:
        cutter, tail = _PageCutter(dump_range), b""
        for piece in _utf8_pieces(file, dump_range, dump_range.start, dump_range.end):
            if isinstance(piece, Damage):
                yield from cutter.damaged(piece)
            else:
                yield from cutter.feed(piece)
                tail = (tail + piece)[-_FOOTER_WITHIN:]
        for piece in _utf8_pieces(file, dump_range, dump_range.end, size) if cutter.is_open else ():
            if isinstance(piece, Damage):
                break
            yield from cutter.feed_last(piece)
            if not cutter.is_open:
                break
        yield from cutter.abandon("the dump ends within the page")
    if dump_range.end >= size and _FOOTER not in tail:
        yield Broken(f"{size}-{size}", Reason.CUT_OFF, "the file ends without </mediawiki>")


class _PageCutter:
    """Cuts ``<page>…</page>`` out of pieces of a dump. If a page is open, the buffer begins with it."""

    def __init__(self, dump_range: DumpRange) -> None:
        self._range = dump_range
        self._buffer = bytearray()
        self._searched = 0

    @property
    def is_open(self) -> bool:
        """Whether a page, or the tag of a page, has begun and not ended."""
        return self._buffer.startswith(_OPEN) or (bool(self._buffer) and _OPEN.startswith(bytes(self._buffer[:6])))

    def feed(self, piece: bytes) -> Iterator[bytes | Broken]:
        """The pages that end with this piece."""
        self._buffer += piece
        while self._skip_to_page():
            end = self._buffer.find(_CLOSE, self._searched)
            next_open = self._buffer.find(_OPEN, max(len(_OPEN), self._searched), None if end < 0 else end)
            if next_open >= 0:
                yield self._broken(Reason.UNCLOSED_PAGE, "the next page begins within it")
                self._drop(next_open)
            elif end >= 0:
                element = bytes(self._buffer[: end + len(_CLOSE)])
                self._drop(len(element))
                yield element
            elif len(self._buffer) > _LARGEST_PAGE:
                yield self._broken(Reason.OVERSIZED_PAGE, f"more than {_LARGEST_PAGE} bytes")
                self._drop(len(_OPEN))
            else:
                self._searched = max(len(_OPEN), len(self._buffer) - len(_CLOSE))
                return

    def feed_last(self, piece: bytes) -> Iterator[bytes | Broken]:
        """The page that was open before, if it ends in this piece. Pages that begin in the piece are ignored."""
        self._buffer += piece
        if self._buffer.startswith(_OPEN):
            closed = next(self.feed(b""), None)
            if closed is not None:
                self._drop(len(self._buffer))
                yield closed
        elif not self.is_open:
            self._drop(len(self._buffer))

    def damaged(self, damage: Damage) -> Iterator[Broken]:
        yield Broken(f"{damage.start}-{damage.end}", Reason.DAMAGED_STREAM, damage.detail)
        yield from self.abandon("the stream is damaged within the page")

    def abandon(self, why: str) -> Iterator[Broken]:
        """Give up the open page, if there is one."""
        if self._buffer.startswith(_OPEN):
            yield self._broken(Reason.UNCLOSED_PAGE, why)
        self._drop(len(self._buffer))

    def _skip_to_page(self) -> bool:
        """Drop the bytes before the next ``<page>``; False if no page begins in the buffer."""
        begin = self._buffer.find(_OPEN)
        if begin < 0:
            self._drop(max(0, len(self._buffer) - _dangling(self._buffer)))
            return False
        if begin:
            self._drop(begin)
        return True

    def _drop(self, count: int) -> None:
        del self._buffer[:count]
        self._searched = 0

    def _broken(self, reason: Reason, detail: str) -> Broken:
        return _broken_page(self._buffer[:4096], self._range, reason, detail)


def _broken_page(element: bytes | bytearray, dump_range: DumpRange, reason: Reason, detail: str) -> Broken:
    """Identifies the page by its id, or by the bytes of the range that it begins in if it has no id."""
    found = _PAGE_ID.search(element)
    span = f"{dump_range.start}-{dump_range.end}"
    return Broken(found[1].decode() if found else span, reason, f"{detail} (within bytes {span})")


def _dangling(buffer: bytearray) -> int:
    """How many bytes at the end may be the beginning of ``<page>``."""
    for length in range(len(_OPEN) - 1, 0, -1):
        if buffer.endswith(_OPEN[:length]):
            return length
    return 0


# -- parsing one page -----------------------------------------------------------------------------------------------


def _parser() -> etree.XMLParser:
    return etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True)


def _parsed(element: bytes, dump_range: DumpRange, site: Site) -> RawPage | Broken:
    try:
        page = etree.fromstring(element, _parser())
        revision = max(page.iter("revision"), key=_age, default=None)
        title = page.findtext("title", "").replace("_", " ").strip()
        redirect = page.find("redirect")
        return RawPage(
            page_id=int(page.findtext("id", "")),
            revision_id=0 if revision is None else int(revision.findtext("id", "0")),
            title=title,
            namespace=_namespace(page.findtext("ns"), title, site),
            redirect=None if redirect is None else redirect.get("title", ""),
            model="wikitext" if revision is None else revision.findtext("model", "wikitext"),
            text="" if revision is None else revision.findtext("text") or "",
            timestamp="" if revision is None else revision.findtext("timestamp", ""),
        )
    except (etree.XMLSyntaxError, ValueError) as error:
        return _broken_page(element, dump_range, Reason.BAD_XML, str(error))


def _age(revision: etree._Element) -> tuple[str, int]:
    return revision.findtext("timestamp", ""), int(revision.findtext("id", "0"))


def _namespace(number: str | None, title: str, site: Site) -> int:
    """The namespace by the element ``<ns>``, or by the title's prefix: export schemas before 0.6 lack the element."""
    if number is not None:
        return int(number)
    prefix = title.partition(":")[0].lower() if ":" in title else None
    return next((key for key, name in site.namespaces.items() if key != 0 and name.lower() == prefix), 0)
