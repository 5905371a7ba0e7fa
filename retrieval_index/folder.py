"""The folder of an index: built under another name by one builder, sealed by `index.json`, never changed again.

OUT/index.json     how it was made and what belongs to it: written last, so that a folder with it is whole
   /lucene/ …      one folder an engine
   /twins.json     passages of one text, where there are any (`twins`)
.OUT.building/     what one builder writes before it becomes OUT; a killed builder's is cleared away by the next
"""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import xxhash
from pydantic import BaseModel, ConfigDict, ValidationError

from schemas.corpus_settings import IndexSettings
from schemas.errors import BadInput
from schemas.paths import local_path, scheme_of

SEAL = "index.json"
FORMAT = 1
"""Raised when the layout of an index changes so that this code cannot read one built by the code before."""


class SealedFile(BaseModel):
    model_config = ConfigDict(frozen=True)

    size: int
    xxh3: str


class IndexInfo(BaseModel):
    """What `index.json` says. ``digest`` is that of the passages, in order: the same whatever threads or machine."""

    model_config = ConfigDict(frozen=True)

    format: int = FORMAT
    settings: IndexSettings
    documents: int
    bytes: int
    digest: str
    versions: dict[str, str]
    files: dict[str, SealedFile]
    """By path relative to the folder."""


def checksum(path: Path) -> str:
    """xxh3 of a file: tells damage, not malice."""
    digest = xxhash.xxh3_128()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def _seal(folder: Path, settings: IndexSettings, documents: int, digest: str, versions: dict[str, str]) -> IndexInfo:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    files = {str(p.relative_to(folder)): SealedFile(size=p.stat().st_size, xxh3=checksum(p)) for p in paths}
    info = IndexInfo(
        settings=settings,
        documents=documents,
        bytes=sum(file.size for file in files.values()),
        digest=digest,
        versions=versions,
        files=files,
    )
    with (folder / SEAL).open("w") as file:
        file.write(info.model_dump_json(indent=1) + "\n")
        file.flush()
        os.fsync(file.fileno())
    return info


def read_info(folder: str) -> IndexInfo:
    """The seal of an index.

    Raises:
        BadInput: there is no folder, it is no index or an unfinished one, or this code cannot read it.
    """
    seal = Path(folder) / SEAL
    try:
        return _checked_format(folder, IndexInfo.model_validate_json(seal.read_bytes()))
    except (FileNotFoundError, NotADirectoryError):
        what = "not an index, or one whose building was broken off" if Path(folder).exists() else "no such index"
        raise BadInput(f"{folder}: {what}: build one with masksearch index") from None
    except ValidationError:
        raise BadInput(f"{seal}: damaged, or written by another version: build the index again") from None


def _checked_format(folder: str, info: IndexInfo) -> IndexInfo:
    if info.format != FORMAT:
        raise BadInput(f"{folder}: an index of format {info.format}, this code reads {FORMAT}: build it again")
    return info


def check_files(folder: str, info: IndexInfo, *, contents: bool) -> None:
    """Every sealed file is there in its size, and with ``contents`` (which reads all of them) byte for byte.

    Raises:
        BadInput: naming the first file that differs.
    """
    for name, sealed in info.files.items():
        path = Path(folder) / name
        if not path.is_file():
            raise BadInput(f"{folder}: damaged, {name} is missing: build the index again")
        if path.stat().st_size != sealed.size:
            raise BadInput(
                f"{folder}: damaged, {name} has {path.stat().st_size} bytes of {sealed.size}: build the index again"
            )
        if contents and checksum(path) != sealed.xxh3:
            raise BadInput(f"{folder}: damaged, the content of {name} has changed: build the index again")


class Draft:
    """An index being built: engines write below ``folder``, then `finish` seals it and gives it its name."""

    def __init__(self, folder: Path, out: Path, settings: IndexSettings) -> None:
        self.folder = folder
        self._out = out
        self._settings = settings

    def finish(self, documents: int, digest: str, versions: dict[str, str]) -> IndexInfo:
        """Seal the draft and rename it; an index of the same passages and settings that is there already is left alone.

        Raises:
            BadInput: the name was taken by another index meanwhile.
        """
        info = _seal(self.folder, self._settings, documents, digest, versions)
        try:
            self.folder.rename(self._out)
        except OSError:
            there = read_info(str(self._out))
            if (there.settings, there.digest) != (info.settings, info.digest):
                raise BadInput(f"{self._out}: holds an index of other passages: remove it, or name another") from None
            return there
        return info


def _refuse_taken(out: Path, settings: IndexSettings) -> None:
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not (out / SEAL).is_file():
        raise BadInput(f"{out}: is there already and is no index: remove it, or name another folder")
    if read_info(str(out)).settings != settings:
        raise BadInput(f"{out}: holds an index built with other settings: remove it, or name another folder")


@contextlib.contextmanager
def _only_builder(building: Path) -> Iterator[None]:
    """The lock ends with the process that holds it, so that a killed builder blocks nobody."""
    building.mkdir(parents=True, exist_ok=True)
    with (building / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BadInput(f"{building}: another process is building this index: wait for it, or stop it") from None
        try:
            yield
        finally:
            shutil.rmtree(building, ignore_errors=True)


@contextlib.contextmanager
def drafting(out: str, settings: IndexSettings) -> Iterator[Draft]:
    """An empty draft of the index ``out``; whatever was not finished is removed at the end.

    Raises:
        BadInput: ``out`` is taken by something else, is no local path, or is being built by another process.
    """
    if scheme_of(out) is not None:
        raise BadInput(f"{out}: an index is built and searched on a local disk: name a local folder")
    target = Path(local_path(out)).absolute()
    _refuse_taken(target, settings)
    building = target.with_name(f".{target.name}.building")
    with _only_builder(building):
        folder = building / "index"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        yield Draft(folder, target, settings)
