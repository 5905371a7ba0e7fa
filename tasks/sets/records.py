"""The records of a file: a JSON list, JSON lines, CSV, TSV or Parquet. A file that was cut off is refused."""

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from itertools import count, islice
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.errors import BadInput
from tasks.ledger import storage

_SEPARATORS = {".csv": ",", ".tsv": "\t"}
_MOST_TITLE_LINES = 20
_KEY = re.compile(r'"((?:[^"\\]|\\.)*)"\s*:')


def records_of(path: str) -> Iterator[Any]:
    """All records in the file's order; those of CSV and TSV are mappings of text.

    Raises:
        BadInput: the file is missing, was cut off, or has another format.
    """
    try:
        content = storage.read_bytes(path)
    except (FileNotFoundError, IsADirectoryError):
        raise BadInput(f"{path}: no such file of questions: check the path") from None
    if path.endswith(".parquet"):
        yield from _rows_of_parquet(path, content)
        return
    try:
        text = content.decode("utf-8-sig")
        separator = next((mark for ending, mark in _SEPARATORS.items() if path.endswith(ending)), None)
        if separator is not None:
            yield from _rows(path, text, separator)
        elif path.endswith(".jsonl"):
            yield from json_lines(path, text)
        else:
            yield from _list(path, text)
    except (ValueError, csv.Error) as error:
        if isinstance(error, BadInput):
            raise
        raise BadInput(f"{path}: not a JSON list, JSON lines or CSV: {error}") from None


def _rows_of_parquet(path: str, content: bytes) -> Iterator[Any]:
    try:
        for batch in pq.ParquetFile(io.BytesIO(content)).iter_batches(batch_size=1024):
            yield from batch.to_pylist()
    except (pa.ArrowInvalid, OSError) as error:
        raise BadInput(f"{path}: damaged Parquet: {error}: fetch the file again") from None


# -- JSON -------------------------------------------------------------------------------------------------------------


def json_lines(path: str, text: str) -> Iterator[Any]:
    """One value of each line of a text; ``path`` is what an error names."""
    # Texts may hold what Unicode takes for the end of a line.
    lines = (line for line in text.split("\n") if line.strip())
    for number, line in enumerate(lines, 1):
        try:
            yield json.loads(line)
        except json.JSONDecodeError as error:
            raise _cut_off(path, number, line, error) from None


def _list(path: str, text: str) -> list[Any]:
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        number, start = _last_record(text)
        if number == 0:
            raise
        raise _cut_off(path, number, text[start : error.pos], error) from None
    if not isinstance(document, list):
        raise ValueError("one object or value")
    return document


def _last_record(text: str) -> tuple[int, int]:
    """The number (from 1) and place of the first record of a list that cannot be read; 0: the text is no list."""
    decoder, gap = json.JSONDecoder(), re.compile(r"[\s,]*")
    opening = re.match(r"\s*\[", text)
    if opening is None:
        return 0, 0
    place = opening.end()
    for number in count(1):
        start = gap.match(text, place).end()  # type: ignore[union-attr]  # it matches nothing, too
        try:
            _, place = decoder.raw_decode(text, start)
        except json.JSONDecodeError:
            return number, start
    raise AssertionError("the text is damaged somewhere")


def _cut_off(path: str, number: int, text: str, error: json.JSONDecodeError) -> BadInput:
    """The error at a record that is not valid JSON, with the last field that it begins."""
    keys = _KEY.findall(text)
    field = f", field {keys[-1]}" if keys else ""
    return BadInput(f"{path}, record {number}{field}: damaged or cut off JSON: {error.msg}: fetch the file again")


# -- CSV and TSV ------------------------------------------------------------------------------------------------------


class _Header(NamedTuple):
    row: int
    names: Sequence[str]


def _rows(path: str, text: str, separator: str) -> Iterator[dict[str | None, Any]]:
    """The rows below the header. Lines before it are titles, which published tables have."""
    header, number = _header(text, separator), 0
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        for cells in islice(rows, header.row + 1, None):
            if not any(cells):
                continue
            number += 1
            yield _row(path, number, header.names, cells)
    except csv.Error as error:
        if "unexpected end of data" not in str(error):
            raise csv.Error(f"{error}, in record {number + 1}") from None
        *_, last = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
        raise _short(path, number + 1, header.names, last) from None


def _header(text: str, separator: str) -> _Header:
    """The first row with a column of questions; without such a row, the first row."""
    first: list[str] = []
    for number, cells in enumerate(csv.reader(io.StringIO(text, newline=""), delimiter=separator)):
        names = [cell.strip() for cell in cells]
        if "question" in [name.casefold() for name in names]:
            return _Header(number, names)
        first = first or names
        if number == _MOST_TITLE_LINES:
            break
    return _Header(0, first)


def _row(path: str, number: int, names: Sequence[str], cells: Sequence[str]) -> dict[str | None, Any]:
    if len(cells) < len(names):
        raise _short(path, number, names, cells)
    row: dict[str | None, Any] = dict(zip(names, cells, strict=False))
    return row if len(cells) == len(names) else {**row, None: cells[len(names) :]}


def _short(path: str, number: int, names: Sequence[str], cells: Sequence[str]) -> BadInput:
    last = names[min(len(cells), len(names)) - 1]
    return BadInput(
        f"{path}, record {number}, field {last}: the file ends within it, or the row has {len(cells)} of "
        f"{len(names)} cells: the file was cut off, or a quotation mark is missing: fetch it again"
    )
