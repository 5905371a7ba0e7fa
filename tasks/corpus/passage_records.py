"""The records of a file of passages, from any place in it, whatever its form.

A place is a byte offset in the decompressed content of files of lines, and the number of a record in the others. Files
of lines and Parquet are streamed. A JSON list is read whole, and refused if it is large.
"""

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from itertools import islice
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.errors import BadInput
from tasks.corpus.passage_files import LONGEST_LINE, LineReader, PassageFile
from tasks.corpus.passage_layouts import Fault, Form, Layout, Reason, layout_with
from tasks.ledger import storage

_LARGEST_LIST = 1 << 30
_SAMPLE = 100
"""Records of JSON whose fields tell the layout, at most."""
_ROWS_AT_ONCE = 4096
_BOM = b"\xef\xbb\xbf"


class Read(NamedTuple):
    """A record: its number in the file from 0 (blank lines count), the place behind it, and its fields."""

    number: int
    behind: int
    value: Mapping[str, Any] | Fault


class Place(NamedTuple):
    """From the record ``first``, which begins at the place ``start``, to the place ``end``; None: to the file's end."""

    first: int = 0
    start: int = 0
    end: int | None = None


WHOLE = Place()


def records(file: PassageFile, layout: Layout, version: str, place: Place = WHOLE) -> Iterator[Read]:
    """The records of a file from and to a place.

    Args:
        version: changes with the content of the files, because readers stay open from part to part.

    Raises:
        BadInput: the file is damaged.
    """
    return _READERS[layout.form](file, layout, version, place)


def layout_of(file: PassageFile) -> Layout:
    """The layout of a file, by its first line or records, or by its columns.

    Raises:
        BadInput: there is nothing in it that could be a passage; the error says what was found.
    """
    if file.ending == "parquet":
        return _named(file, Form.PARQUET, _columns_of_parquet(file))
    head = next(LineReader(file).lines(0), (b"", 0))[0].removeprefix(_BOM)
    if file.ending == "tsv":
        return _layout_of_table(file, head)
    if head.lstrip()[:1] == b"[":
        return _named(file, Form.JSON_LIST, _fields_in(map(_object, _list_in(file))))
    sample = (line if isinstance(line, Fault) else _parsed(line) for _, _, line in _lines(LineReader(file), WHOLE))
    return _named(file, Form.JSON_LINES, _fields_in(sample))


def _named(file: PassageFile, form: Form, names: tuple[str, ...], columns: tuple[str, ...] = ()) -> Layout:
    layout = layout_with(form, names, columns)
    if layout is None:
        what = f"fields {', '.join(names)[:200]}" if names else "no JSON object in its first lines"
        raise BadInput(f"{file.path}: no layout of passages ({what}): give id, title and text, or id and contents")
    return layout


def _fields_in(sample: Iterable[Mapping[str, Any] | Fault]) -> tuple[str, ...]:
    """The fields of the first record that has a text, or of the first record at all."""
    objects = [value for value in islice(sample, _SAMPLE) if not isinstance(value, Fault)]
    with_text = (tuple(value) for value in objects if layout_with(Form.JSON_LINES, value) is not None)
    return next(with_text, tuple(objects[0]) if objects else ())


# -- JSON -----------------------------------------------------------------------------------------------------------


def _json_lines(file: PassageFile, layout: Layout, version: str, place: Place) -> Iterator[Read]:
    for number, behind, line in _lines(_reader(file, version), place):
        yield Read(number, behind, line if isinstance(line, Fault) else _parsed(line))


def _parsed(line: str) -> Mapping[str, Any] | Fault:
    try:
        return _object(json.loads(line))
    except (ValueError, RecursionError) as error:
        return Fault(Reason.NOT_JSON, str(error))


def _object(value: Any) -> Mapping[str, Any] | Fault:
    return value if isinstance(value, dict) else Fault(Reason.NOT_AN_OBJECT, f"a JSON {type(value).__name__}")


def _json_list(file: PassageFile, layout: Layout, version: str, place: Place) -> Iterator[Read]:
    for number, value in islice(enumerate(_listed(file, version)), place.start, place.end):
        yield Read(number, number + 1, _object(value))


@lru_cache(maxsize=1)
def _listed(file: PassageFile, version: str) -> list[Any]:
    """The last list, in memory from part to part."""
    return _list_in(file)


def _list_in(file: PassageFile) -> list[Any]:
    content = LineReader(file).beginning(_LARGEST_LIST + 1)
    if len(content) > _LARGEST_LIST:
        raise BadInput(f"{file.path}: a JSON list of more than 1 GiB cannot be read: write one object a line (.jsonl)")
    try:
        document = json.loads(content.decode("utf-8-sig"))
    except ValueError as error:
        raise BadInput(f"{file.path}: not a JSON list: {error}") from None
    if not isinstance(document, list):
        raise BadInput(f"{file.path}: not a JSON list")
    return document


# -- lines ----------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _reader(file: PassageFile, version: str) -> LineReader:
    """The reader of the last file, open from part to part, because compressed content is only read forward."""
    return LineReader(file)


def _lines(reader: LineReader, place: Place) -> Iterator[tuple[int, int, str | Fault]]:
    """Lines with their number and the offset behind them; blank lines are left out."""
    for number, (line, behind) in enumerate(reader.lines(place.start, place.end), place.first):
        content = line.removeprefix(_BOM) if number == 0 else line
        if len(line) > LONGEST_LINE:
            yield number, behind, Fault(Reason.LONG_LINE, f"more than {LONGEST_LINE:,} bytes")
        elif content.strip():
            yield number, behind, _decoded(content)


def _decoded(line: bytes) -> str | Fault:
    try:
        return line.decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        return Fault(Reason.NOT_UTF8, str(error))


# -- tables ---------------------------------------------------------------------------------------------------------


def _layout_of_table(file: PassageFile, head: bytes) -> Layout:
    columns = tuple(name.strip().strip('"').casefold() for name in head.decode("utf-8", "replace").split("\t"))
    if layout_with(Form.TSV, columns) is None:
        raise BadInput(
            f"{file.path}: its first line names no column text ({', '.join(columns)[:100]!r}): "
            "begin the file with a line such as id, text, title, separated by tabs"
        )
    return _named(file, Form.TSV, columns, columns)


def _table(file: PassageFile, layout: Layout, version: str, place: Place) -> Iterator[Read]:
    for number, behind, line in _lines(_reader(file, version), place):
        if number > 0:
            yield Read(number, behind, line if isinstance(line, Fault) else _row(line, layout.columns))


def _row(line: str, columns: tuple[str, ...]) -> Mapping[str, str] | Fault:
    cells = line.split("\t")
    if len(cells) != len(columns):
        cells = _quoted_cells(line)
    if len(cells) != len(columns):
        return Fault(Reason.WRONG_COLUMNS, f"{len(cells)} columns, the first line has {len(columns)}")
    return dict(zip(columns, map(_unquoted, cells), strict=True))


def _quoted_cells(line: str) -> list[str]:
    """The cells of a line of which one holds a tab in quotation marks."""
    try:
        return next(csv.reader([line], delimiter="\t"), [])
    except csv.Error:
        return []


def _unquoted(cell: str) -> str:
    """A cell without the marks that csv writes around text with quotation marks. A cell that merely begins and ends
    with quotations stays: in csv all marks between the outer ones are doubled."""
    inner = cell[1:-1]
    is_quoted = len(cell) > 1 and cell[0] == cell[-1] == '"' and '"' not in inner.replace('""', "")
    return inner.replace('""', '"') if is_quoted else cell


# -- Parquet --------------------------------------------------------------------------------------------------------


def _columns_of_parquet(file: PassageFile) -> tuple[str, ...]:
    with _parquet(file) as parquet:
        return tuple(parquet.schema_arrow.names)


def _parquet_rows(file: PassageFile, layout: Layout, version: str, place: Place) -> Iterator[Read]:
    number = 0
    with _parquet(file) as parquet:
        for group in range(parquet.num_row_groups):
            rows = parquet.metadata.row_group(group).num_rows
            if number + rows > place.start and (place.end is None or number < place.end):
                yield from _rows_of_group(parquet, group, layout, number, place)
            number += rows


def _rows_of_group(parquet: Any, group: int, layout: Layout, number: int, place: Place) -> Iterator[Read]:
    for batch in parquet.iter_batches(_ROWS_AT_ONCE, row_groups=[group], columns=layout.fields):
        for row in batch.to_pylist():
            if place.start <= number and (place.end is None or number < place.end):
                yield Read(number, number + 1, row)
            number += 1


@contextmanager
def _parquet(file: PassageFile) -> Iterator[Any]:
    with storage.opened(file.path) as source:
        try:
            yield pq.ParquetFile(source)
        except (pa.ArrowInvalid, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:  # raised by the disk, not by Arrow
                raise
            raise BadInput(f"{file.path}: a damaged Parquet file: {' '.join(str(error).split())[:200]}") from None


_READERS: dict[Form, Callable[[PassageFile, Layout, str, Place], Iterator[Read]]] = {
    Form.PARQUET: _parquet_rows,
    Form.JSON_LINES: _json_lines,
    Form.JSON_LIST: _json_list,
    Form.TSV: _table,
}
