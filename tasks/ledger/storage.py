"""Files of a pipeline on local disk, NFS or an object store, through fsspec. A file is written whole or not at all.

Every query goes to the store itself and not to a cache, because other processes write there, too.
"""

import hashlib
import io
import os
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec import AbstractFileSystem
from fsspec.compression import compr
from fsspec.implementations.local import LocalFileSystem
from fsspec.utils import infer_compression
from pydantic import BaseModel

from schemas.arrow import table_of
from schemas.errors import BadInput
from schemas.paths import local_path, scheme_of

Row = TypeVar("Row", bound=BaseModel)
_ROWS_AT_ONCE = 256


def located(path: str) -> tuple[AbstractFileSystem, str]:
    """The file system of a path or URL, and the path within it.

    Listings are not cached: fsspec's cache would hide files that other processes have written since. fsspec's own
    parser of paths is not used: it takes "::" for a chain of file systems, also in a folder's name.

    Raises:
        ImportError, ValueError: the store is unknown, or its package is not installed.
    """
    scheme = scheme_of(path)
    if scheme is None:
        return LocalFileSystem(use_listings_cache=False), str(Path(local_path(path)).absolute())
    kind = fsspec.get_filesystem_class(scheme)
    options = {**kind._get_kwargs_from_urls(path), "use_listings_cache": False}
    return fsspec.filesystem(scheme, **options), kind._strip_protocol(path)


def kind_of(path: str) -> str | None:
    """``file`` or ``directory``; None where the path does not exist.

    Raises:
        BadInput: the store is unknown, or does not answer.
    """
    try:
        filesystem, inner = located(path)
        kind: str = filesystem.info(inner)["type"]
    except FileNotFoundError:
        return None
    except NotADirectoryError:
        raise BadInput(f"{path}: a parent of this path is a file: name another path") from None
    except Exception as error:  # the errors of stores share no base class
        raise BadInput(f"{path}: cannot be opened: {' '.join(str(error).split())}") from None
    return kind


def refuse_no_folder(path: str) -> None:
    """Raises BadInput where a path exists and is no folder."""
    if kind_of(path) not in ("directory", None):
        raise BadInput(f"{path}: this is a file: name a folder")


def is_local(path: str) -> bool:
    """Whether a path is on a file system of this machine (NFS included), where queries cost almost nothing."""
    return _is_local(located(path)[0])


def _is_local(filesystem: AbstractFileSystem) -> bool:
    return isinstance(filesystem, LocalFileSystem)


def join(*steps: str) -> str:
    """Join steps of a path or URL."""
    return "/".join([steps[0].rstrip("/"), *(step.strip("/") for step in steps[1:])])


def exists(path: str) -> bool:
    filesystem, inner = located(path)
    existing: bool = filesystem.exists(inner)
    return existing


def is_folder(path: str) -> bool:
    filesystem, inner = located(path)
    is_directory: bool = filesystem.isdir(inner)
    return is_directory


def names_in(folder: str) -> list[str]:
    """The names (not paths) of files and folders in a folder, sorted; empty if it does not exist or is a file."""
    filesystem, inner = located(folder)
    try:
        entries = [entry.rstrip("/") for entry in filesystem.ls(inner, detail=False)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(entry.rpartition("/")[2] for entry in entries if entry != inner.rstrip("/"))


def size_of(path: str) -> int:
    filesystem, inner = located(path)
    size: int = filesystem.size(inner)
    return size


def read_bytes(path: str) -> bytes:
    """The content of a file.

    Raises:
        FileNotFoundError: it does not exist.
    """
    filesystem, inner = located(path)
    content: bytes = filesystem.cat_file(inner)
    return content


def write_bytes(path: str, data: bytes) -> None:
    """Write a file: locally by a temporary name, fsync and rename; on an object store by one put, which is atomic."""
    filesystem, inner = located(path)
    if not _is_local(filesystem):
        filesystem.pipe_file(inner, data)
        return
    with _written(Path(inner), data) as temporary:
        temporary.replace(inner)


def make_root(path: str) -> None:
    """Create a folder, unless it is on an object store, where folders do not exist.

    Raises:
        BadInput: the folder cannot be created, or is not writable.
    """
    filesystem, inner = located(path)
    if not _is_local(filesystem):
        return
    _make_folder(Path(inner))
    if not os.access(inner, os.W_OK | os.X_OK):
        raise BadInput(f"{path}: this user may not write here: name another folder")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileNotFoundError, NotADirectoryError, FileExistsError, PermissionError) as error:
        raise BadInput(f"{folder}: the folder cannot be created: {error.strerror}") from None


@contextmanager
def _written(target: Path, data: bytes) -> Iterator[Path]:
    """A temporary file beside the target, flushed to disk; it is removed at the end unless it was renamed."""
    _make_folder(target.parent)
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def create(path: str, data: bytes) -> bool:
    """Write a file unless it exists; True where this call wrote it. Of many callers at once, one gets True."""
    filesystem, inner = located(path)
    try:
        if not _is_local(filesystem):
            filesystem.pipe_file(inner, data, mode="create")  # a conditional put: it fails if the object exists
            return True
        with _written(Path(inner), data) as temporary:
            os.link(temporary, inner)  # fails if the name exists, also on NFS; a rename would replace the other's file
    except FileExistsError:
        return False
    return True


def remove(path: str) -> None:
    """Remove a file, or a folder with its content. A path that does not exist is ignored."""
    filesystem, inner = located(path)
    if _is_local(filesystem):
        if filesystem.exists(inner):
            filesystem.rm(inner, recursive=True)
        return
    for found in filesystem.find(inner):  # by name: a store's own removal of a folder reads "*" and "[" as patterns
        filesystem.rm_file(found)


def write_document(path: str, document: BaseModel) -> None:
    """A pydantic model as indented JSON."""
    write_bytes(path, (document.model_dump_json(indent=1) + "\n").encode())


def read_document(path: str, model: type[Row]) -> Row:
    return model.model_validate_json(read_bytes(path))


def parquet_bytes(table: pa.Table) -> bytes:
    """The table as Parquet: equal rows give equal bytes in every process."""
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd", row_group_size=65_536)
    return buffer.getvalue()


def gathered(model: type[BaseModel], rows: Iterable[BaseModel]) -> pa.Table:
    """Rows as one table. They are converted in batches, so that a generator's rows are never all in memory."""
    remaining = iter(rows)
    batches = [table_of(model, [])]
    while batch := list(islice(remaining, _ROWS_AT_ONCE)):
        batches.append(table_of(model, batch))
    return pa.concat_tables(batches).combine_chunks()


def write_rows(path: str, model: type[BaseModel], rows: Iterable[BaseModel]) -> bytes:
    """Write rows as Parquet and return the written bytes."""
    data = parquet_bytes(gathered(model, rows))
    write_bytes(path, data)
    return data


def opened(path: str, read_ahead: bool = True) -> Any:
    """A file, open for reading, with seek. Without ``read_ahead`` only the requested bytes are fetched from a store."""
    filesystem, inner = located(path)
    return filesystem.open(inner, "rb", **({} if read_ahead else {"cache_type": "none"}))


def decompressed(path: str) -> Any:
    """A file, open for sequential reading, decompressed if its name ends in .gz, .bz2 or the like."""
    compression = infer_compression(path)
    return compr[compression](opened(path), mode="rb") if compression else opened(path)


@contextmanager
def _parquet(path: str) -> Iterator[Any]:
    """A Parquet file, open for reading.

    Raises:
        BadInput: it is damaged.
    """
    with opened(path) as file:
        try:
            yield file
        except (pa.ArrowInvalid, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:  # raised by the disk, not by Arrow
                raise
            why = " ".join(str(error).split())[:100]
            raise BadInput(f"{path}: damaged ({why}): remove it and the stage.json beside it, and run again") from None


def read_table(path: str, columns: list[str] | None = None) -> pa.Table:
    with _parquet(path) as file:
        return pq.read_table(file, columns=columns)


def read_batches(path: str, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """Some columns of one Parquet file, with one batch in memory at a time."""
    with _parquet(path) as file:
        yield from pq.ParquetFile(file).iter_batches(batch_size=65_536, columns=columns)


def range_of(path: str, column: str) -> tuple[int, int] | None:
    """The smallest and largest value of an integer column, from the file's statistics; None if it has no rows."""
    with _parquet(path) as file:
        metadata = pq.ParquetFile(file).metadata
    place = metadata.schema.names.index(column)
    groups = [metadata.row_group(group).column(place).statistics for group in range(metadata.num_row_groups)]
    ranges = [(group.min, group.max) for group in groups if group is not None and group.has_min_max]
    return (min(low for low, _ in ranges), max(high for _, high in ranges)) if ranges else None


def read_rows(path: str, model: type[Row]) -> Iterator[Row]:
    """The rows of one Parquet file as row models, with one batch in memory at a time."""
    with _parquet(path) as file:
        for batch in pq.ParquetFile(file).iter_batches(batch_size=1024):
            for row in batch.to_pylist():
                yield model.model_validate(row)


def read_rows_at(path: str, model: type[Row], places: Sequence[int]) -> list[Row]:
    """Some rows of one Parquet file as row models, by row number, in the given order."""
    return [model.model_validate(row) for row in read_table(path).take(pa.array(places, pa.int64())).to_pylist()]


def digest_of_bytes(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def digest_of_file(path: str) -> str:
    """sha256 of a file's content, read in chunks of 1 MiB."""
    filesystem, inner = located(path)
    digest = hashlib.sha256()
    with filesystem.open(inner, "rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def tree_of(folder: str) -> list[tuple[str, int]]:
    """(path relative to the folder, size in bytes) of every file below it, sorted."""
    filesystem, inner = located(folder)
    base = inner.rstrip("/") + "/"
    entries = filesystem.find(inner, detail=True)
    return sorted((path.removeprefix(base), entry["size"]) for path, entry in entries.items())
