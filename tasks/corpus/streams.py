"""Bytes of a dump, decompressed in pieces of bounded size, from any place where a compressed stream starts.

A bzip2 file may be several streams on end (the official multistream dumps, pbzip2), and each can be read alone. What
cannot be decompressed is reported as damage and left out; reading goes on at the next stream.
"""

import bz2
import codecs
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import IO, cast

import fsspec

CHUNK = 1 << 20
PIECE = 1 << 18
"""Bytes a piece holds at most. What was decompressed in the same call before an error is lost: no more than this."""

BZ2_START = re.compile(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)")
"""The head of a bzip2 stream and of its first block (of its end, where the stream is empty)."""
BZ2_START_BYTES = 10


class Compression(StrEnum):
    BZ2 = "bz2"
    GZIP = "gzip"
    NONE = "none"


@dataclass(frozen=True)
class Damage:
    """Bytes ``start`` to ``end`` of the compressed file, of which not everything could be read."""

    start: int
    end: int
    detail: str


def open_binary(path: str) -> IO[bytes]:
    return cast(IO[bytes], fsspec.open(path, "rb").open())


def stream_starts(file: IO[bytes], start: int, end: int) -> Iterator[int]:
    """Offsets in ``start`` to ``end`` where a bzip2 stream starts, by its magic number at a byte boundary."""
    file.seek(start)
    held, held_from = b"", start
    while held_from + len(held) < end:
        chunk = file.read(min(CHUNK, end - held_from - len(held)))
        if not chunk:
            return
        held += chunk
        for found in BZ2_START.finditer(held):
            yield held_from + found.start()
        kept = BZ2_START_BYTES - 1
        held_from, held = held_from + max(0, len(held) - kept), held[-kept:]


def decompressed(file: IO[bytes], compression: Compression, start: int, end: int) -> Iterator[bytes | Damage]:
    """The content of bytes ``start`` to ``end``, which begin and end with whole streams."""
    if compression is Compression.NONE:
        yield from _raw(file, start, end)
        return
    while start < end:
        reader = _StreamReader(file, compression, start, end)
        try:
            yield from reader.pieces()
            start = reader.position
        except (OSError, EOFError, zlib.error) as error:
            resumed = end
            if compression is Compression.BZ2:
                resumed = next(stream_starts(file, start + 1, end), end)
            yield Damage(start, resumed, str(error) or type(error).__name__)
            start = resumed


def as_utf8(pieces: Iterator[bytes | Damage], encoding: str) -> Iterator[bytes | Damage]:
    """The same content in UTF-8."""
    if codecs.lookup(encoding).name == "utf-8":
        yield from pieces
        return
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    for piece in pieces:
        if isinstance(piece, Damage):
            decoder.reset()
            yield piece
        else:
            yield decoder.decode(piece).encode()


def _raw(file: IO[bytes], start: int, end: int) -> Iterator[bytes]:
    file.seek(start)
    while start < end and (piece := file.read(min(PIECE, end - start))):
        start += len(piece)
        yield piece


class _StreamReader:
    """Decompresses one stream; ``position`` is then where the next one starts."""

    def __init__(self, file: IO[bytes], compression: Compression, start: int, end: int) -> None:
        self.position = start
        self._file = file
        self._end = end
        self._inflate = _Bz2() if compression is Compression.BZ2 else _Gzip()

    def pieces(self) -> Iterator[bytes]:
        """Raises OSError, EOFError or zlib.error where the stream is damaged or cut off."""
        self._file.seek(self.position)
        while not self._inflate.eof:
            chunk = b""
            if self._inflate.needs_input:
                chunk = self._file.read(min(CHUNK, self._end - self.position))
                if not chunk:
                    raise EOFError("the compressed stream is cut off")
                self.position += len(chunk)
            if piece := self._inflate(chunk):
                yield piece
        self.position -= self._inflate.unused


class _Bz2:
    def __init__(self) -> None:
        self._inner = bz2.BZ2Decompressor()

    def __call__(self, chunk: bytes) -> bytes:
        return self._inner.decompress(chunk, PIECE)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return self._inner.needs_input

    @property
    def unused(self) -> int:
        return len(self._inner.unused_data)


class _Gzip:
    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=31)

    def __call__(self, chunk: bytes) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + chunk, PIECE)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    @property
    def unused(self) -> int:
        return len(self._inner.unused_data)
