"""Files outside the root that stages read: a dump, a model, evaluation sets. Their content is identity, their path not.

    {stage}/{label}/outside.json    size and stamp of each file when its content was last known to be the stage's input

A finished stage counts only after a check of these files. Files with the recorded size and stamp are not read again;
the others are read, and count as changed only if their digest differs. A missing file is no change, because dumps are
deleted once they are read. Where unfinished stages have yet to read the files, all of them must exist (`refuse_gone`).
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from fsspec.implementations.local import LocalFileSystem
from pydantic import BaseModel, ConfigDict, Field

from schemas.errors import BadInput, MaskSearchError, RunFailed
from tasks.ledger import storage
from tasks.ledger.ledger import OUTSIDE

_PATIENCE_SECONDS = 10.0
_STAMPS = ("ETag", "etag", "Last-Modified", "LastModified", "mtime", "created")
"""The names that stores give to a property that changes with every write of a file, the most reliable first."""


class SeenFile(BaseModel):
    """A file as its store describes it; None for properties that the store does not report."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    size: int | None
    stamp: str | None


class Seen(BaseModel):
    """``outside.json``: the files by name, and the locations as written in the config."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    places: list[str] = Field(default_factory=list)
    files: dict[str, SeenFile] = Field(default_factory=dict)


class Noted(NamedTuple):
    """The description, digest and size in bytes that a stage's manifest records for its outside files."""

    what: str
    digest: str
    bytes: int | None = None


@contextmanager
def asking(place: str) -> Iterator[None]:
    """Raises RunFailed in place of any error of a store that does not answer."""
    try:
        yield
    except MaskSearchError:
        raise
    except Exception as error:  # the errors of stores share no base class
        reason = " ".join(str(error).split())
        raise RunFailed(f"{place}: the store does not answer: {reason}; run again once it does") from error


def look_at(paths: Mapping[str, str]) -> dict[str, SeenFile]:
    """The files that exist, by name. Only their properties are queried; no content is read.

    Raises:
        RunFailed: a store does not answer.
    """
    files = {}
    for name, path in paths.items():
        with asking(path), suppress(FileNotFoundError, NotADirectoryError):
            files[name] = _seen(path)
    return files


def _seen(path: str) -> SeenFile:
    filesystem, inner = storage.located(path)
    if isinstance(filesystem, LocalFileSystem):
        status = Path(inner).stat()  # follows links: the stamp is that of the file with the content
        return SeenFile(path=inner, size=status.st_size, stamp=str(status.st_mtime_ns))
    patience = {"timeout": _PATIENCE_SECONDS} if filesystem.async_impl else {}
    info = filesystem.info(inner, **patience)
    stamp = next((str(info[name]) for name in _STAMPS if info.get(name)), None)
    return SeenFile(path=filesystem.unstrip_protocol(inner), size=info.get("size"), stamp=stamp)


def remembered(folder: str) -> Seen:
    """The record of a stage's outside files; empty if it has none, or was finished before they were recorded."""
    try:
        return storage.read_document(storage.join(folder, OUTSIDE), Seen)
    except FileNotFoundError:
        return Seen()


def remember(folder: str, places: Sequence[str], files: Mapping[str, SeenFile]) -> None:
    storage.write_document(storage.join(folder, OUTSIDE), Seen(places=list(places), files=dict(files)))


def is_as_remembered(seen: Seen, now: Mapping[str, SeenFile]) -> bool:
    """Whether size and stamp of all files that exist are as recorded. Recorded files may be missing."""
    return bool(now) and all(seen.files.get(name) == file for name, file in now.items())


def changes_of(
    folder: str,
    places: Sequence[str],
    paths: Mapping[str, str],
    noted: Noted,
    digest_of: Callable[[Collection[str]], str],
) -> list[str]:
    """How the files at these paths differ from the noted ones, in words; empty where they do not.

    ``digest_of`` reads the files of the given names. If their content is unchanged, their new properties are recorded.

    Raises:
        RunFailed: a store does not answer.
    """
    now = look_at(paths)
    if not now or is_as_remembered(remembered(folder), now):
        return []
    where, size = ", ".join(places), sum(file.size or 0 for file in now.values())
    if noted.bytes not in (None, size):
        return [f"{noted.what} had {noted.bytes:,} bytes, {where} has {size:,}"]
    with asking(where):
        digest = digest_of(now.keys())
    if digest != noted.digest:
        return [f"{noted.what} had the sha256 {noted.digest[:12]}…, {where} has {digest[:12]}…"]
    with suppress(OSError):  # a user who may not write here reads the files again the next time
        remember(folder, places, now)
    return []


def refuse_gone(folder: str, there: Collection[str], place: str) -> None:
    """Raises BadInput where recorded files of the stage in ``folder`` are missing that unfinished stages must read."""
    gone = sorted(remembered(folder).files.keys() - there)
    if gone or not there:
        what = f"{', '.join(gone[:3])} is missing" if there else "the files do not exist any more"
        raise BadInput(f"{place}: {what}, and stages that read them are not finished: put them back")
