"""The folder of an index: one builder writes it under another name and seals it; after that it never changes.

OUT/index.json     the seal: how the index was built, and its files. It is written last, so a folder with it is whole
   /lucene/ …      one folder for each engine
   /twins.json     passages with the same text, if there are any (`twins`)
.OUT.building/     the builder's folder, which is renamed to OUT; the next builder removes that of a killed one
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
"""The version of the layout: raise it when this code can no longer read indexes that earlier code built."""


class SealedFile(BaseModel):
    """Size in bytes and checksum of a file of the index."""

    model_config = ConfigDict(frozen=True)

    size: int
    xxh3: str


class IndexInfo(BaseModel):
    """The content of `index.json`. ``digest`` is of the passages in order; threads and machine do not change it."""

    model_config = ConfigDict(frozen=True)

    format: int = FORMAT
    settings: IndexSettings
    documents: int
    bytes: int
    digest: str
    versions: dict[str, str]
    files: dict[str, SealedFile]
    """Files by their path in the folder."""


def checksum(path: Path) -> str:
    """xxh3 of a file, which detects damage but not tampering."""
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
        BadInput: there is no such folder, it is not a finished index, or this code cannot read it.
    """
    seal = Path(folder) / SEAL
    try:
        return _checked_format(folder, IndexInfo.model_validate_json(seal.read_bytes()))
    except (FileNotFoundError, NotADirectoryError):
        what = "not an index, or an unfinished one" if Path(folder).exists() else "no such index"
        raise BadInput(f"{folder}: {what}: build the index with masksearch index") from None
    except ValidationError:
        raise BadInput(f"{seal}: damaged, or written by another version: build the index again") from None


def _checked_format(folder: str, info: IndexInfo) -> IndexInfo:
    if info.format != FORMAT:
        raise BadInput(
            f"{folder}: the index has format {info.format}, but this code reads format {FORMAT}: build the index again"
        )
    return info


def check_files(folder: str, info: IndexInfo, *, contents: bool) -> None:
    """Check that every sealed file exists with its size and, with ``contents`` (which reads every file), its checksum.

    Raises:
        BadInput: a file differs; the error names the first such file.
    """
    for name, sealed in info.files.items():
        path = Path(folder) / name
        if not path.is_file():
            raise BadInput(f"{folder}: damaged, {name} is missing: build the index again")
        if path.stat().st_size != sealed.size:
            raise BadInput(
                f"{folder}: damaged, {name} has {path.stat().st_size} bytes instead of {sealed.size}: build the index "
                "again"
            )
        if contents and checksum(path) != sealed.xxh3:
            raise BadInput(f"{folder}: damaged, the content of {name} has changed: build the index again")


class Draft:
    """An index being built: engines write into ``folder``, then `finish` seals it and renames it."""

    def __init__(self, folder: Path, out: Path, settings: IndexSettings) -> None:
        self.folder = folder
        self._out = out
        self._settings = settings

    def finish(self, documents: int, digest: str, versions: dict[str, str]) -> IndexInfo:
        """Seal the draft and rename it; an existing index of the same passages and settings is kept instead.

        Raises:
            BadInput: an index of other passages has taken the name.
        """
        info = _seal(self.folder, self._settings, documents, digest, versions)
        try:
            self.folder.rename(self._out)
        except OSError:
            existing = read_info(str(self._out))
            if (existing.settings, existing.digest) != (info.settings, info.digest):
                raise BadInput(
                    f"{self._out}: holds an index of other passages: remove it, or name another folder"
                ) from None
            return existing
        return info


def _refuse_taken(out: Path, settings: IndexSettings) -> None:
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not (out / SEAL).is_file():
        raise BadInput(f"{out}: exists and is not an index: remove it, or name another folder")
    if read_info(str(out)).settings != settings:
        raise BadInput(f"{out}: holds an index built with other settings: remove it, or name another folder")


@contextlib.contextmanager
def _only_builder(building: Path) -> Iterator[None]:
    """Hold the lock of a build. It is released when its process ends, so a killed builder blocks no other."""
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
    """An empty draft of the index ``out``; an unfinished draft is removed at the end.

    Raises:
        BadInput: ``out`` exists and is something else, is not a local path, or is being built by another process.
    """
    if scheme_of(out) is not None:
        raise BadInput(f"{out}: an index must be on a local disk: name a local folder")
    target = Path(local_path(out)).absolute()
    _refuse_taken(target, settings)
    building = target.with_name(f".{target.name}.building")
    with _only_builder(building):
        folder = building / "index"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        yield Draft(folder, target, settings)
