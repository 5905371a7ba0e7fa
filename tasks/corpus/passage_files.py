"""The files of a corpus of passages: which of them a path names, and their lines from any offset.

A path is a file, a folder whose files of passages are all read, or a pattern with ``*``. The end of a file's name tells
its form, and before that its compression: ``psgs.tsv``, ``wiki-18.jsonl.gz``, ``part-3.parquet``.
"""

import hashlib
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from schemas.errors import BadInput, RunFailed
from tasks.ledger import storage

ENDINGS = ("parquet", "jsonl", "ndjson", "json", "tsv")
LONGEST_LINE = 1 << 24
"""Bytes of a line that is read; a longer one is no record."""
_COMPRESSIONS = {"gz": "gzip", "zst": "zstd", "bz2": "bz2"}
_BUFFER = 1 << 20


@dataclass(frozen=True)
class PassageFile:
    """``name`` is the path below the folder that all files of the corpus have in common."""

    path: str
    name: str
    size: int

    @property
    def compression(self) -> str | None:
        return _COMPRESSIONS.get(self.name.rpartition(".")[2])

    @property
    def ending(self) -> str:
        steps = self.name.split(".")
        return steps[-2 if self.compression and len(steps) > 2 else -1]


def find_files(path: str) -> list[PassageFile]:
    """The files of a corpus, sorted by name.

    Raises:
        BadInput: the path names no file of passages, or one whose ending is unknown.
    """
    kind = storage.kind_of(path)
    if kind == "file":
        found = [PassageFile(path, path.rpartition("/")[2], storage.size_of(path))]
        _refuse_unknown(found[0])
        return found
    if kind is None and "*" not in path:
        raise BadInput(f"corpus.passages {path}: no such file or folder: check the path")
    found = [file for file in _listed(path, kind) if file.ending in ENDINGS]
    if not found:
        raise BadInput(f"corpus.passages {path}: no file of passages there: {_known()}")
    return sorted(found, key=lambda file: file.name)


def size_of(files: Sequence[PassageFile]) -> int:
    """Bytes of all files, compressed as they are."""
    return sum(file.size for file in files)


def digest_of(files: Sequence[PassageFile]) -> str:
    """sha256 over name, size and sha256 of each file; reads everything."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.name}\n{file.size}\n{storage.digest_of_file(file.path)}\n".encode())
    return digest.hexdigest()


def _listed(path: str, kind: str | None) -> Iterator[PassageFile]:
    """The visible files of a folder, or those that fit a pattern."""
    filesystem, inner = storage.located(path)
    if kind is None:
        entries = filesystem.glob(inner, detail=True).values()
        base = inner[: inner.index("*")].rpartition("/")[0]
    else:
        entries, base = filesystem.ls(inner, detail=True), inner.rstrip("/")
    for entry in entries:
        name = entry["name"].removeprefix(base).lstrip("/")
        if entry["type"] == "file" and not name.rpartition("/")[2].startswith((".", "_")):
            whole = entry["name"] if storage.is_local(path) else filesystem.unstrip_protocol(entry["name"])
            yield PassageFile(whole, name, entry["size"])


def _refuse_unknown(file: PassageFile) -> None:
    if file.ending not in ENDINGS:
        raise BadInput(f"corpus.passages {file.path}: the end of its name does not say what it holds: {_known()}")


def _known() -> str:
    endings = ", ".join(f".{ending}" for ending in ENDINGS)
    return f"names end in {endings}, and then in {', '.join(f'.{ending}' for ending in _COMPRESSIONS)} if compressed"


class LineReader:
    """Lines of a file by their offsets in its decompressed content.

    Compressed content can only be read forward: a reader that goes on where it stopped decompresses nothing twice.
    """

    def __init__(self, file: PassageFile) -> None:
        self._file = file
        self._content, self._offset = self._opened(), 0

    def lines(self, start: int, end: int | None = None) -> Iterator[tuple[bytes, int]]:
        """The lines from offset ``start`` to ``end``, each with the offset behind it. Of a line that is longer than
        `LONGEST_LINE` only its first `LONGEST_LINE` + 1 bytes are given.

        Raises:
            BadInput: the file cannot be decompressed.
            RunFailed: it cannot be read.
        """
        with self._reading():
            self._move(start)
            while (end is None or self._offset < end) and (line := self._content.readline(LONGEST_LINE + 1)):
                self._offset += len(line)
                if len(line) > LONGEST_LINE and not line.endswith(b"\n"):
                    self._skip_line()
                yield line, self._offset

    def beginning(self, size: int) -> bytes:
        """The first ``size`` bytes of the content, or all of it; raises as `lines` does."""
        with self._reading():
            self._move(0)
            content = self._content.read(size)
        self._offset += len(content)
        return content

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            why = " ".join(str(error).split())
            if error.errno is None and self._file.compression is not None:  # raised by Arrow, not by the disk
                raise BadInput(f"{self._file.path}: cannot be decompressed ({why}): fetch the file again") from error
            raise RunFailed(f"{self._file.path}: cannot be read ({why}); run again") from error

    def _move(self, offset: int) -> None:
        if self._file.compression is None:
            self._content.seek(offset)
            self._offset = offset
            return
        if offset < self._offset:
            self._content, self._offset = self._opened(), 0
        while self._offset < offset and (skipped := self._content.read(min(_BUFFER, offset - self._offset))):
            self._offset += len(skipped)

    def _skip_line(self) -> None:
        while rest := self._content.readline(_BUFFER):
            self._offset += len(rest)
            if rest.endswith(b"\n"):
                return

    def _opened(self) -> io.BufferedReader:
        raw = _Raw(storage.opened(self._file.path))
        if self._file.compression is None:
            return io.BufferedReader(raw, _BUFFER)
        content = pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), self._file.compression)
        return io.BufferedReader(content, _BUFFER)


class _Raw(io.RawIOBase):
    """A file of any store as Python's buffers want it."""

    def __init__(self, source: Any) -> None:
        self._source = source

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        position: int = self._source.seek(offset, whence)
        return position

    def tell(self) -> int:
        position: int = self._source.tell()
        return position

    def readinto(self, buffer: Any) -> int:
        content = self._source.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def close(self) -> None:
        self._source.close()
        super().close()
