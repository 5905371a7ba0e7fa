"""Build an index from files of passages, and search for the queries of a file."""

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, ValidationError

from retrieval_index.folder import IndexInfo
from retrieval_index.hits import Query
from retrieval_index.opening import build_index, open_index
from schemas.corpus_settings import IndexSettings
from schemas.errors import BadInput
from tasks.ledger import storage

COLUMNS = ("passage_id", "title", "text")

_QUERIES_AT_ONCE = 2048


class _Line(BaseModel):
    """One JSON line; additional fields are ignored."""

    model_config = ConfigDict(strict=True, extra="ignore")


class _PassageLine(_Line):
    passage_id: str
    title: str
    text: str


class _QueryLine(_Line):
    query_id: str
    query: str


Line = TypeVar("Line", bound=_Line)


def build_from_parquet(
    paths: list[str], out: str, settings: IndexSettings, on_passage: Callable[[], None] = lambda: None
) -> IndexInfo:
    """Build an index from files of passages, in their order: Parquet, JSON lines, or folders of Parquet parts.

    Args:
        on_passage: called for every passage just before it is added to the index.

    Raises:
        BadInput: a file is missing, unreadable, or without the columns passage_id, title, text as strings; or for the
            reasons given in `retrieval_index.opening.build_index`.
    """
    files = [file for path in paths for file in _files_of(path)]
    for file in files:
        _check_columns(file)
    return build_index(_reported(files, on_passage), out, settings)


def count_passages(paths: list[str]) -> int:
    """Passages in Parquet files, from their footers.

    Raises:
        BadInput: a file is missing, unreadable, or lacks the columns of passages.
    """
    return sum(_rows_of(path) for path in paths)


def _reported(files: list[str], on_passage: Callable[[], None]) -> Iterator[tuple[str, str, str]]:
    for file in files:
        for passage in _passages_of(file):
            on_passage()
            yield passage


def search_many(index: str, queries: str, k: int) -> Iterator[dict[str, Any]]:
    """Search for every line ``{query_id, query}`` of a file.

    Yields:
        ``{query_id, hits: [{passage_id, score}]}``, best hit first, in the order of the file.

    Raises:
        BadInput: the index cannot be opened, or a line is not a query. It is raised before the first search.
    """
    lines = list(_read_lines(queries, _QueryLine))
    searcher = open_index(index)
    for start in range(0, len(lines), _QUERIES_AT_ONCE):
        batch = lines[start : start + _QUERIES_AT_ONCE]
        hits_of_batch = searcher.search([Query(line.query) for line in batch], k)
        for line, hits in zip(batch, hits_of_batch, strict=True):
            yield {
                "query_id": line.query_id,
                "hits": [{"passage_id": hit.passage_id, "score": hit.score} for hit in hits],
            }


def _files_of(path: str) -> list[str]:
    names = [name for name in storage.names_in(path) if name.startswith("part-") and name.endswith(".parquet")]
    if names:
        return [storage.join(path, name) for name in names]
    if not storage.exists(path):
        raise BadInput(f"{path}: no such file: give Parquet or JSON lines with the columns {', '.join(COLUMNS)}")
    return [path]


def _is_parquet(path: str) -> bool:
    return path.endswith(".parquet")


def _check_columns(path: str) -> None:
    if not _is_parquet(path):
        return
    with _opened(path) as file:
        try:
            schema = pq.read_schema(file)
        except (pa.ArrowInvalid, OSError) as error:
            raise BadInput(f"{path}: not a Parquet file: {' '.join(str(error).split())}") from None
    for column in COLUMNS:
        if column not in schema.names:
            raise BadInput(
                f"{path}: no column {column}: its columns are {', '.join(schema.names)}, passages need "
                f"{', '.join(COLUMNS)}"
            )
        kind = schema.field(column).type
        if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
            raise BadInput(f"{path}: column {column} is {kind}: it must hold strings")


def _rows_of(path: str) -> int:
    _check_columns(path)
    with _opened(path) as file:
        rows: int = pq.read_metadata(file).num_rows
        return rows


def _opened(path: str, how: Callable[[str], Any] = storage.opened) -> Any:
    try:
        return how(path)
    except (FileNotFoundError, IsADirectoryError):
        raise BadInput(f"{path}: not a file: give Parquet or JSON lines") from None


def _passages_of(path: str) -> Iterator[tuple[str, str, str]]:
    return _parquet_passages(path) if _is_parquet(path) else _line_passages(path)


def _parquet_passages(path: str) -> Iterator[tuple[str, str, str]]:
    with _opened(path) as file:
        try:
            for batch in pq.ParquetFile(file).iter_batches(batch_size=4096, columns=list(COLUMNS)):
                for row in zip(*(batch.column(name).to_pylist() for name in COLUMNS), strict=True):
                    yield _without_nulls(path, row)
        except (pa.ArrowInvalid, OSError) as error:
            raise BadInput(f"{path}: damaged Parquet: {' '.join(str(error).split())}") from None


def _without_nulls(path: str, row: Iterable[str | None]) -> tuple[str, str, str]:
    passage_id, title, text = row
    if passage_id is None or title is None or text is None:
        raise BadInput(
            f"{path}: passage {passage_id}: a null in {', '.join(COLUMNS)}: use an empty string instead of null"
        )
    return passage_id, title, text


def _line_passages(path: str) -> Iterator[tuple[str, str, str]]:
    for line in _read_lines(path, _PassageLine):
        yield line.passage_id, line.title, line.text


def _read_lines(path: str, model: type[Line]) -> Iterator[Line]:
    """The JSON lines of a file, which may be compressed; empty lines are skipped."""
    with _opened(path, storage.decompressed) as file:
        for number, data in enumerate(file, 1):
            if data.strip():
                yield _line_of(f"{path}, line {number}", data, model)


def _line_of(where: str, data: bytes, model: type[Line]) -> Line:
    names = ", ".join(model.model_fields)
    try:
        return model.model_validate(json.loads(data))
    except ValueError as error:
        if isinstance(error, ValidationError):
            first = error.errors()[0]
            field = ".".join(str(step) for step in first["loc"])
            raise BadInput(f"{where}: {field or 'line'}: {first['msg']}: a line has {names} as strings") from None
        raise BadInput(f"{where}: not JSON: a line is an object with {names}") from None
