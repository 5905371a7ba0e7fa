"""The fields of a corpus' records: which of them hold id, title and text, and what a record lacks.

id      passage_id, id or _id; a corpus without any is known by its titles and texts
title   title; a passage without a title is a page of its own, titled by its id
text    text; or contents, whose first line is the title, in quotation marks or not
"""

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

import xxhash
from pydantic import BaseModel, ConfigDict

IDS = ("passage_id", "id", "_id")
TITLE, TEXT, CONTENTS = "title", "text", "contents"


class Form(StrEnum):
    """How a file holds its records."""

    PARQUET = "parquet"
    JSON_LINES = "json_lines"
    JSON_LIST = "json_list"
    TSV = "tsv"


class Reason(StrEnum):
    """Why a record is no passage. Another try would not help."""

    NOT_JSON = "not_json"
    NOT_AN_OBJECT = "not_an_object"  # JSON, but no object
    NOT_UTF8 = "not_utf8"
    LONG_LINE = "long_line"
    WRONG_COLUMNS = "wrong_columns"  # a line of a table with fewer or more columns than the first line
    NO_ID = "no_id"
    NO_TEXT = "no_text"
    DUPLICATE_ID = "duplicate_id"  # an earlier record has the id
    DUPLICATE_PASSAGE = "duplicate_passage"  # in a corpus without ids: an earlier record has the title and text


class Fault(NamedTuple):
    """Why a record is no passage."""

    reason: Reason
    detail: str = ""


class Layout(BaseModel):
    """How a file holds passages: its form, and the fields with id, title and text. ``columns`` are those of a table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    form: Form
    id: str | None
    title: str | None
    text: str
    columns: tuple[str, ...] = ()

    @property
    def fields(self) -> list[str]:
        """The names of the fields that are read."""
        return [name for name in (self.id, self.title, self.text) if name is not None]

    @property
    def repetition(self) -> Reason:
        """Why a record is rejected whose id an earlier record has."""
        return Reason.DUPLICATE_PASSAGE if self.id is None else Reason.DUPLICATE_ID

    def __str__(self) -> str:
        return f"{self.form} with {', '.join(self.fields)}"


def layout_with(form: Form, names: Collection[str], columns: tuple[str, ...] = ()) -> Layout | None:
    """The layout of records with these fields; None if they hold no text."""
    text = next((name for name in (TEXT, CONTENTS) if name in names), None)
    if text is None:
        return None
    title = TITLE if TITLE in names and text == TEXT else None
    return Layout(form=form, id=next((n for n in IDS if n in names), None), title=title, text=text, columns=columns)


class Entry(NamedTuple):
    """A passage as its file has it."""

    id: str
    title: str
    text: str
    is_titled: bool
    """Whether the title is the file's own, and not the id in its place."""

    @property
    def page_id(self) -> int:
        """The number of the title: 63 bits of its hash, the same in every file and snapshot."""
        return xxhash.xxh64_intdigest(self.title.encode()) >> 1

    @property
    def id_hash(self) -> int:
        return xxhash.xxh64_intdigest(self.id.encode())


def entry_of(value: Mapping[str, Any], layout: Layout) -> Entry | Fault:
    """The passage in a record, or what the record lacks."""
    found = _string(value.get(layout.id)) if layout.id is not None else ""
    if layout.id is not None and not found:
        return Fault(Reason.NO_ID, f"no {layout.id}")
    title, text = _title_and_text(value, layout)
    if not text:
        return Fault(Reason.NO_TEXT, f"no {layout.text}")
    try:
        digest = xxhash.xxh64_hexdigest(f"{title}\n{text}".encode())
        (found + title).encode()
    except UnicodeEncodeError:  # JSON may escape half of a pair of surrogates
        return Fault(Reason.NOT_UTF8, "a half of a surrogate pair")
    found = found or digest
    return Entry(found, title or found, text, bool(title))


def _title_and_text(value: Mapping[str, Any], layout: Layout) -> tuple[str, str]:
    text = value.get(layout.text)
    if not isinstance(text, str):
        return "", ""
    title = _string(value.get(layout.title)) if layout.title is not None else ""
    if layout.text == CONTENTS:
        head, line_end, rest = text.strip().partition("\n")
        title, text = (_unquoted(head), rest) if line_end else ("", head)
    return " ".join(title.split()), text.strip()


def _string(value: Any) -> str:
    """A string or number as text; empty for anything else."""
    return str(value).strip() if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def _unquoted(title: str) -> str:
    title = title.strip()
    return title[1:-1] if len(title) > 1 and title[0] == title[-1] == '"' else title
