"""Finding a MediaWiki dump and cutting it into ranges that can be read independently of each other.

A dump is one file, or the ``-pXpY`` files of one folder. A bzip2 file of several streams is cut between streams: at
the offsets of its index if a correct index is beside it, otherwise at the streams' magic numbers. Both give the same
ranges. XML is cut anywhere, because a page that is cut is read to its end (xml.py). A single stream of bzip2 or gzip
is one range, and is refused if it is too large for one. The content decides what a file is; the name only rules kinds
out (file_kinds.py). Sizes and sums published in the folder (sums.py) must match.
"""

import bz2
import codecs
import hashlib
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from pydantic import BaseModel, ConfigDict

from schemas.errors import BadInput
from tasks.dumps.file_kinds import kind_by_content, kind_by_name
from tasks.dumps.streams import (
    BZ2_START,
    BZ2_START_BYTES,
    CHUNK,
    Compression,
    Damage,
    SourceFile,
    as_utf8,
    decompressed,
    stream_starts,
)
from tasks.dumps.sums import STATUS, Sums, read_sums, snapshot_of_name
from tasks.ledger import storage

_log = logging.getLogger(__name__)

# The page range comes behind ``.xml`` in Wikimedia's names: ``…-pages-articles1.xml-p1p41242.bz2``.
_NAME = re.compile(r".*\.xml(?:-p\d+p\d+)?(?:\.bz2|\.gz)?")
_PART = re.compile(r"-p(?P<first>\d+)p(?P<last>\d+)(?:\.\w+)?$")
_MULTISTREAM = re.compile(r"-multistream(?P<part>\d*)\.xml")
# XML allows either quote, and spaces around the equals sign.
_ENCODING = re.compile(rb"""<\?xml[^>]*encoding\s*=\s*["']([\w.-]+)""")
_UTF16 = {
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
    b"<\x00": "utf-16-le",
    b"\x00<": "utf-16-be",
}
_HEAD_BYTES = 1 << 16
_TAIL_SHARE = 0.01
"""A last range smaller than this share of a part joins the range before it: the footer is a separate stream."""
_SMALLEST_CUT = 1 << 10
"""Smallest range of XML, in bytes: the footer, which shows that a dump is complete, must not be cut."""
_LARGEST_PIECE = 1 << 30
"""Largest range, in bytes, of a file that cannot be cut: some 5 GB of XML, whose rows one worker holds in memory."""


class DumpRange(BaseModel):
    """Whole streams of one file, or a piece of XML: the pages that begin in bytes ``start`` to ``end``.

    Keys sort in the dump's order.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    path: str
    compression: Compression
    encoding: str
    start: int
    end: int


@dataclass(frozen=True)
class DumpFile:
    path: str
    size: int
    compression: Compression
    encoding: str

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


@dataclass(frozen=True)
class Dump:
    """``path`` is the path of the file, or of the folder if the dump has several files."""

    path: str
    files: tuple[DumpFile, ...]
    sums: Sums

    @property
    def snapshot(self) -> str | None:
        """The snapshot that the files are named after; None if their names do not contain it."""
        return snapshot_of_name(self.files[0].name)

    @property
    def size(self) -> int:
        """Compressed bytes."""
        return sum(file.size for file in self.files)

    @cached_property
    def digest(self) -> str:
        """sha256 over name, size and sha256 of each file; reads everything.

        Raises:
            BadInput: a file's sha1 differs from the sum in its folder.
        """
        digest = hashlib.sha256()
        for file in self.files:
            digest.update(f"{file.name}\n{file.size}\n{self._checked_sha256(file)}\n".encode())
        return digest.hexdigest()

    def _checked_sha256(self, file: DumpFile) -> str:
        sha1, sha256 = hashlib.sha1(usedforsecurity=False), hashlib.sha256()
        offset = 0
        with SourceFile(file.path) as source:
            while chunk := source.read(offset, CHUNK):
                offset += len(chunk)
                sha1.update(chunk)
                sha256.update(chunk)
        self.sums.check_sha1(file.name, sha1.hexdigest())
        return sha256.hexdigest()


def find_dump(path: str) -> Dump:
    """The dump at a path: a file, or a folder that holds one dump.

    Raises:
        BadInput: the path does not exist, or its dump cannot be read, is unfinished or incomplete.
    """
    path = path.rstrip("/")
    try:
        is_folder = not _NAME.fullmatch(path) and storage.is_folder(path)
        is_there = is_folder or storage.exists(path)
    except Exception as error:  # the stores of fsspec share no error class
        raise _cannot_be_opened(path, error) from None
    if not is_there:
        raise BadInput(f"{path}: no such dump; give the path of a pages-articles file or of the folder that holds it")
    try:
        if is_folder:
            names = [name for name in storage.names_in(path) if _NAME.fullmatch(name)]
            return _dump(f"{path}/", _chosen(path, names), True)
        name = path.rpartition("/")[2]
        _refuse(path, kind_by_name(name))
        return _dump(path.removesuffix(name), [name], False)
    except (OSError, ImportError) as error:
        raise _cannot_be_opened(path, error) from None


def cut(dump: Dump, part_mb: float, on_note: Callable[[str], None] = _log.warning) -> list[DumpRange]:
    """Ranges of at least ``part_mb`` megabytes of the file, in the order of the dump: whole streams, or bytes of XML.

    ``on_note`` is called with a message if an index is wrong in its middle; the dump is then read without the index.

    Raises:
        BadInput: the index beside a file belongs to another file, or more than a gigabyte of a file cannot be cut.
    """
    ranges, part_bytes = [], max(1, int(part_mb * 1e6))
    for file in sorted(dump.files, key=_first_page):
        part = _PART.search(file.name)
        prefix = f"p{int(part['first']):010d}-" if part and len(dump.files) > 1 else ""
        for start, end in pairwise(_bounds_of(file, part_bytes, on_note)):
            ranges.append(
                DumpRange(
                    key=f"{prefix}{start:012d}",
                    path=file.path,
                    compression=file.compression,
                    encoding=file.encoding,
                    start=start,
                    end=end,
                )
            )
    return ranges


# -- finding --------------------------------------------------------------------------------------------------------


def _cannot_be_opened(path: str, error: Exception) -> BadInput:
    return BadInput(f"{path}: cannot be opened: {' '.join(str(error).split())}")


def _dump(prefix: str, names: list[str], is_folder: bool) -> Dump:
    """The dump of these files; ``prefix`` comes before their names in a path."""
    sums = read_sums(prefix, names)
    sizes = {name: _size(prefix + name) for name in names}
    sums.check_files(sizes, _NAME if is_folder else None)
    _refuse_breaks(prefix, names, are_listed=sums.siblings.keys() >= set(names))
    files = tuple(_examine(prefix + name, size) for name, size in sizes.items())
    return Dump(files[0].path if len(files) == 1 else prefix.rstrip("/"), files, sums)


def _refuse(path: str, kind: str | None) -> None:
    """Raises BadInput if the file is something else than a dump of pages."""
    if kind is not None:
        raise BadInput(f"{path}: {kind}; download the pages-articles file of the same wiki and date instead")


def _size(path: str) -> int:
    size = storage.size_of(path)
    if size is None:
        raise BadInput(f"{path}: the server does not report the file's size, so ranges cannot be read; copy it first")
    return size


def _chosen(folder: str, names: list[str]) -> list[str]:
    """The files of one dump: a multistream dump is preferred, and then a whole file to ``-pXpY`` files."""
    others = {name: kind for name in names if (kind := kind_by_name(name))}
    names = [name for name in names if name not in others]
    for wanted in ("-multistream", ""):
        found = [name for name in names if wanted in name]
        whole = [name for name in found if not _PART.search(name)]
        parts = [name for name in found if _PART.search(name)]
        if len(whole) > 1:
            raise BadInput(f"{folder}: holds several dumps ({', '.join(whole[:3])}); give the path of one file")
        if whole or parts:
            return whole or parts
    for name, kind in others.items():
        _refuse(f"{folder}/{name}", kind)
    raise BadInput(f"{folder}: a folder without a dump (*.xml, *.xml.bz2, *.xml.gz); give the path of a dump")


def _refuse_breaks(prefix: str, names: list[str], are_listed: bool) -> None:
    """Check that the pages of each ``-pXpY`` file follow those of the file before it.

    The files of older dumps are named after pages that exist, so their ranges have gaps. Gaps are accepted if
    dumpstatus.json lists all files (``are_listed``).

    Raises:
        BadInput: names the first file that does not follow.
    """
    parts = sorted((int(part["first"]), int(part["last"]), name) for name in names if (part := _PART.search(name)))
    for (_, last, name), (first, _, following) in pairwise(parts):
        if first <= last:
            raise BadInput(f"{prefix}{following}: its pages overlap those of {name}; keep each dump in its own folder")
        if first > last + 1 and not are_listed:
            raise BadInput(
                f"{prefix}{following}: no file in the folder has pages {last + 1} to {first - 1}, which come before "
                f"it; fetch the missing file, or {STATUS}, which lists all files of the dump"
            )


def _examine(path: str, size: int) -> DumpFile:
    with SourceFile(path) as file:
        magic = file.read(0, BZ2_START_BYTES)
        compression = _compression(path, magic)
        head = b""
        for piece in decompressed(file, compression, 0, size):
            if isinstance(piece, Damage) or len(head) > _HEAD_BYTES:
                break
            head += piece
    encoding = _encoding(path, head)
    beginning = b"".join(piece for piece in as_utf8(iter([head]), encoding) if isinstance(piece, bytes))
    kind = kind_by_content(beginning)
    if b"<mediawiki" not in beginning:
        what = f" but is {kind}" if kind else ""
        raise BadInput(
            f"{path}: not a MediaWiki dump: it does not begin with a <mediawiki> element{what}; download it again"
        )
    _refuse(path, kind)
    return DumpFile(path, size, compression, encoding)


def _compression(path: str, magic: bytes) -> Compression:
    if BZ2_START.match(magic):
        return Compression.BZ2
    if magic.startswith(b"\x1f\x8b"):
        return Compression.GZIP
    if magic.startswith(b"7z\xbc\xaf\x27\x1c"):
        raise BadInput(f"{path}: a 7z archive; unpack it and give the XML file, or take the .bz2 of the same dump")
    if magic.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<") or magic.startswith(tuple(_UTF16)):
        return Compression.NONE
    what = "neither bzip2, gzip nor XML" if magic else "an empty file, neither bzip2, gzip nor XML"
    raise BadInput(f"{path}: not a MediaWiki dump: {what}; download it again")


def _encoding(path: str, head: bytes) -> str:
    """The encoding by byte order mark, zero bytes or XML declaration.

    UTF-16 is returned with its byte order, because only the first range of a file has the mark.
    """
    for beginning, encoding in _UTF16.items():
        if head.startswith(beginning):
            return encoding
    declared = _ENCODING.match(head)
    name = declared[1].decode() if declared else "utf-8"
    try:
        codecs.lookup(name)
    except LookupError:
        raise BadInput(f"{path}: its XML declares an unknown encoding, {name}; download it again") from None
    return name.lower()


# -- cutting --------------------------------------------------------------------------------------------------------


def _first_page(file: DumpFile) -> int:
    part = _PART.search(file.name)
    return int(part["first"]) if part else 0


def _bounds_of(file: DumpFile, part_bytes: int, on_note: Callable[[str], None]) -> list[int]:
    """The offsets at which the ranges of a file begin and end."""
    if file.compression is not Compression.BZ2:
        return _checked_bounds(file, _xml_starts(file, part_bytes), part_bytes)
    index = file.path.removesuffix(file.name) + _MULTISTREAM.sub(r"-multistream-index\g<part>.txt", file.name)
    if index != file.path and storage.exists(index):
        starts = _indexed_starts(index, file)
        bounds = _checked_bounds(file, starts, part_bytes)
        # Each read from a store is a request, so in a store only the offsets that bound ranges are checked.
        is_local = storage.is_local(file.path)
        wrong = _first_without_stream(file, starts if is_local else bounds[1:-1])
        if wrong is None:
            return bounds
        on_note(f"{index}: wrong, no stream of {file.name} starts at byte {wrong}; the dump is read without its index")
    with SourceFile(file.path) as opened:
        return _checked_bounds(file, list(stream_starts(opened, 0, file.size)), part_bytes)


def _xml_starts(file: DumpFile, part_bytes: int) -> list[int]:
    """Offsets at which XML may be cut; only 0 if it cannot be cut."""
    # In an encoding other than UTF-8 a cut may fall within a character and go unnoticed.
    is_cut = file.compression is Compression.NONE and codecs.lookup(file.encoding).name == "utf-8"
    step = max(part_bytes, _SMALLEST_CUT) if is_cut else file.size
    return list(range(0, max(1, file.size - _SMALLEST_CUT), step))


def _indexed_starts(index: str, file: DumpFile) -> list[int]:
    """The offsets of an index (lines ``offset:page_id:title``), of which the first and last are checked in the file.

    An index does not list the stream of the footer: streams behind its last offset are found by their magic numbers.
    """
    try:
        with storage.opened(index) as compressed, bz2.open(compressed, "rb") as lines:
            starts = sorted({int(line.partition(b":")[0]) for line in lines})
    except (OSError, EOFError, ValueError) as error:
        raise BadInput(f"{index}: not the index of a multistream dump ({error}); remove or replace it") from None
    wrong = _first_without_stream(file, sorted({starts[0], starts[-1]}) if starts else [])
    if wrong is not None:
        raise BadInput(
            f"{index}: not the index of {file.name}: no stream starts at byte {wrong}; remove or replace the index"
        )
    with SourceFile(file.path) as opened:
        return [*starts, *stream_starts(opened, starts[-1] + 1 if starts else 0, file.size)]


def _first_without_stream(file: DumpFile, starts: list[int]) -> int | None:
    """The first of these offsets at which no stream starts; None if a stream starts at each."""
    with SourceFile(file.path, read_ahead=False) as opened:
        for start in starts:
            if not BZ2_START.match(opened.read(start, BZ2_START_BYTES)):
                return start
    return None


def _checked_bounds(file: DumpFile, starts: list[int], part_bytes: int) -> list[int]:
    _refuse_large_pieces(file, starts, part_bytes)
    return _bounds(starts, file.size, part_bytes)


def _refuse_large_pieces(file: DumpFile, starts: list[int], part_bytes: int) -> None:
    largest = max(end - start for start, end in pairwise([0, *starts, file.size]))
    if largest > max(_LARGEST_PIECE, part_bytes):
        raise BadInput(
            f"{file.path}: {largest / 1e9:,.1f} GB that cannot be cut would be one part, in the memory of one worker; "
            "use the dump's -multistream.xml.bz2 file, or unpack it, because XML can be cut"
        )


def _bounds(starts: list[int], size: int, part_bytes: int) -> list[int]:
    """Bounds of the ranges, from 0 (the first range includes the header) to the file's size."""
    bounds = [0]
    for start in starts:
        if start - bounds[-1] >= part_bytes:
            bounds.append(start)
    if len(bounds) > 1 and size - bounds[-1] < part_bytes * _TAIL_SHARE:
        bounds.pop()
    return [*bounds, size]
