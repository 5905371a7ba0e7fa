"""What stages take note of outside the root: a dump, a model, sets. Their places are no identity, what they hold is.

    {stage}/{label}/outside.json    the files as they were when they were last seen to hold what the stage was made from

A finished stage counts only after a look at them. Files that are as they were last seen are not read again; others are,
and only another digest is a change. What is gone is none, for dumps are deleted once they are read, nor is what does
not answer; who has yet to read it asks for all of it (`refuse_gone`).
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
"""What stores call that which changes when a file is written, the surest first."""


class SeenFile(BaseModel):
    """A file as its store describes it; None where it does not tell."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    size: int | None
    stamp: str | None


class Seen(BaseModel):
    """``outside.json``: the files by name, and the places that led to them, as the config named them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    places: list[str] = Field(default_factory=list)
    files: dict[str, SeenFile] = Field(default_factory=dict)


class Noted(NamedTuple):
    """What a stage's manifest says of the files that it was made from."""

    what: str
    digest: str
    bytes: int | None = None


@contextmanager
def asking(place: str) -> Iterator[None]:
    """Raises RunFailed in place of whatever a store raises that cannot be asked."""
    try:
        yield
    except MaskSearchError:
        raise
    except Exception as error:  # stores have no error in common
        raise RunFailed(f"{place}: does not answer: {' '.join(str(error).split())}; run again") from error


def look_at(paths: Mapping[str, str]) -> dict[str, SeenFile]:
    """The files that are there, by name; nothing of them is read.

    Raises:
        RunFailed: a store does not answer.
    """
    found = {}
    for name, path in paths.items():
        with asking(path), suppress(FileNotFoundError, NotADirectoryError):
            found[name] = _seen(path)
    return found


def _seen(path: str) -> SeenFile:
    filesystem, inner = storage.located(path)
    if isinstance(filesystem, LocalFileSystem):
        status = Path(inner).stat()  # of what a link leads to
        return SeenFile(path=inner, size=status.st_size, stamp=str(status.st_mtime_ns))
    patience = {"timeout": _PATIENCE_SECONDS} if filesystem.async_impl else {}
    told = filesystem.info(inner, **patience)
    stamp = next((str(told[name]) for name in _STAMPS if told.get(name)), None)
    return SeenFile(path=filesystem.unstrip_protocol(inner), size=told.get("size"), stamp=stamp)


def remembered(folder: str) -> Seen:
    """What a stage remembers of its files; nothing where it was finished before stages did, or needs none."""
    try:
        return storage.read_document(storage.join(folder, OUTSIDE), Seen)
    except FileNotFoundError:
        return Seen()


def remember(folder: str, places: Sequence[str], files: Mapping[str, SeenFile]) -> None:
    storage.write_document(storage.join(folder, OUTSIDE), Seen(places=list(places), files=dict(files)))


def is_as_remembered(seen: Seen, now: Mapping[str, SeenFile]) -> bool:
    """Whether the files that are there are the same as before, to the store; some may be gone."""
    return bool(now) and all(seen.files.get(name) == file for name, file in now.items())


def changes_of(
    folder: str,
    places: Sequence[str],
    paths: Mapping[str, str],
    noted: Noted,
    digest_of: Callable[[Collection[str]], str],
) -> list[str]:
    """In what the files at these paths are others than those that were noted, in words; empty where they are not.

    ``digest_of`` reads those of these names. What was read and is the same is remembered.

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
    with suppress(OSError):  # who may only read reads it again the next time
        remember(folder, places, now)
    return []


def refuse_gone(folder: str, there: Collection[str], place: str) -> None:
    """Raises BadInput where files that the stage in ``folder`` took note of, and others have yet to read, are gone."""
    gone = sorted(remembered(folder).files.keys() - there)
    if gone or not there:
        what = f"{', '.join(gone[:3])} is gone" if there else "nothing is there any more"
        raise BadInput(f"{place}: {what}, and not everything that is made from it is finished: put it back")
