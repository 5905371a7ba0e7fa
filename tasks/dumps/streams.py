"""Bytes of a dump, decompressed in pieces of bounded size, from any offset where a compressed stream starts.

A bzip2 file may be several concatenated streams (the official multistream dumps, pbzip2), and each can be read alone.
Bytes that cannot be decompressed are reported as damage and left out; reading goes on at the next stream. Bytes that
cannot be fetched are not damage: the read is tried again, and then the run fails.
"""

import bz2
import codecs
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType

from tenacity import Retrying, retry_if_not_exception_type, stop_after_attempt, wait_exponential_jitter

from schemas.errors import BadInput, RunFailed
from tasks.ledger import storage

CHUNK = 1 << 20
PIECE = 1 << 18
"""Largest piece, in bytes. An error also drops the bytes that the same call had decompressed: at most this many."""

BZ2_START = re.compile(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)")
"""The head of a bzip2 stream, and of its first block or, in an empty stream, of its end.

The four bytes of the stream's head alone would be found by chance in compressed data; ten bytes are not.
"""
BZ2_START_BYTES = 10
_TRIES = 5


class Compression(StrEnum):
    BZ2 = "bz2"
    GZIP = "gzip"
    NONE = "none"


@dataclass(frozen=True)
class Damage:
    """Bytes ``start`` to ``end`` of the compressed file, which could not be read completely."""

    start: int
    end: int
    detail: str


class SourceFile:
    """A file on any file system, read at any offset; a read that fails is tried again."""

    def __init__(self, path: str, read_ahead: bool = True) -> None:
        self._path, self._file = path, storage.opened(path, read_ahead)
        self._again = Retrying(
            retry=retry_if_not_exception_type(ValueError),
            stop=stop_after_attempt(_TRIES),
            wait=wait_exponential_jitter(initial=0.1, max=10),
            reraise=True,
        )

    def __enter__(self) -> "SourceFile":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def read(self, start: int, size: int) -> bytes:
        """``size`` bytes from ``start``; fewer at the end of the file.

        Raises:
            BadInput: the server does not serve ranges of a file.
            RunFailed: the file cannot be read at this offset after several tries.
        """
        try:
            return self._again(self._read, start, size)
        except ValueError as error:
            raise BadInput(f"{self._path}: the server does not serve ranges ({_line(error)}); copy it first") from error
        except Exception as error:
            raise RunFailed(f"{self._path}: cannot be read at byte {start}: {_line(error)}; run again") from error

    def _read(self, start: int, size: int) -> bytes:
        self._file.seek(start)
        content: bytes = self._file.read(size)
        return content


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def stream_starts(file: SourceFile, start: int, end: int) -> Iterator[int]:
    """Offsets in ``start`` to ``end`` where a bzip2 stream starts, found by its magic number at a byte boundary."""
    held, held_from = b"", start
    while held_from + len(held) < end:
        offset = held_from + len(held)
        chunk = file.read(offset, min(CHUNK, end - offset))
        if not chunk:
            return
        held += chunk
        for found in BZ2_START.finditer(held):
            yield held_from + found.start()
        kept = BZ2_START_BYTES - 1
        held_from, held = held_from + max(0, len(held) - kept), held[-kept:]


def decompressed(file: SourceFile, compression: Compression, start: int, end: int) -> Iterator[bytes | Damage]:
    """The content of bytes ``start`` to ``end``, which begin and end with whole streams."""
    if compression is Compression.NONE:
        yield from _raw(file, start, end)
        return
    while start < end:
        reader = _StreamReader(file, compression, start, end)
        try:
            yield from reader.pieces()
            start = reader.position
        except _Corrupt as error:
            resumed = end
            if compression is Compression.BZ2:
                resumed = next(stream_starts(file, start + 1, end), end)
            yield Damage(start, resumed, str(error))
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


def _raw(file: SourceFile, start: int, end: int) -> Iterator[bytes]:
    while start < end and (piece := file.read(start, min(PIECE, end - start))):
        start += len(piece)
        yield piece


class _Corrupt(Exception):
    """A compressed stream is damaged or cut off."""


class _StreamReader:
    """Decompresses one stream; ``position`` is then where the next one starts."""

    def __init__(self, file: SourceFile, compression: Compression, start: int, end: int) -> None:
        self.position = start
        self._file = file
        self._end = end
        self._inflate = _Bz2() if compression is Compression.BZ2 else _Gzip()

    def pieces(self) -> Iterator[bytes]:
        """Raises _Corrupt where the stream is damaged or cut off."""
        while not self._inflate.eof:
            chunk = b""
            if self._inflate.needs_input:
                chunk = self._file.read(self.position, min(CHUNK, self._end - self.position))
                if not chunk:
                    raise _Corrupt("the compressed stream is cut off")
                self.position += len(chunk)
            try:
                piece = self._inflate(chunk)
            except (OSError, zlib.error) as error:
                raise _Corrupt(str(error)) from error
            if piece:
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
