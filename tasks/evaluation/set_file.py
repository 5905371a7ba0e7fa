"""The questions that answers from elsewhere are scored against: of a set's file, or of a ledger."""

import json
from collections.abc import Iterator
from typing import Any

from schemas.errors import BadInput
from schemas.paths import local_path
from schemas.records import Question, Split
from tasks.ledger import storage

_GOLD = {"lines": ("answers", "answer", "gold"), "flashrag": ("golden_answers",)}
"""The fields of each layout that hold the accepted answers."""


def questions_in(path: str, layout: str | None, split: str | None) -> list[Question]:
    """The questions of a set's file, of a Parquet file, or of a stage's folder (``…/questions/LABEL``).

    Raises:
        BadInput: there is no such file, it has another layout, or no question is in the split.
    """
    path = local_path(path)
    parts = _parts_of(path)
    if not parts:
        if split is not None:
            raise BadInput(f"--split {split}: {path} has no splits: leave the option out")
        return _unique(path, _of_file(path, layout))
    if layout is not None:
        raise BadInput(f"--layout {layout}: {path} holds rows of the pipeline: leave the option out")
    if split is not None and split not in set(Split):
        raise BadInput(f"--split {split}: give one of {', '.join(Split)}")
    rows = (row for part in parts for row in storage.read_rows(part, Question))
    return _unique(path, (row for row in rows if split in (None, row.split)))


def _parts_of(path: str) -> list[str]:
    """The Parquet files of the path: none if it is a file of another format."""
    if storage.kind_of(path) is None:
        raise BadInput(f"{path}: no such file or folder of questions: check the path")
    if path.endswith(".parquet"):
        return [path]
    if not storage.is_folder(path):
        return []
    names = [name for name in storage.names_in(path) if name.startswith("part-") and name.endswith(".parquet")]
    if not names:
        raise BadInput(f"{path}: no questions in this folder: give a file, or a folder such as …/questions/v1")
    return [storage.join(path, name) for name in names]


def _unique(path: str, questions: Iterator[Question]) -> list[Question]:
    found: dict[str, Question] = {}
    for question in questions:
        if question.question_id in found:
            raise BadInput(f"{path}: the id {question.question_id!r} is there twice: give each question its own")
        found[question.question_id] = question
    if not found:
        raise BadInput(f"{path}: no questions: give the file or the split that was asked")
    return list(found.values())


def _of_file(path: str, layout: str | None) -> Iterator[Question]:
    if layout is not None and layout not in _GOLD:
        raise BadInput(f"--layout {layout}: give one of {', '.join(_GOLD)}")
    for number, record in enumerate(_records(path), 1):
        try:
            yield _question(record, layout)
        except (KeyError, TypeError, ValueError) as error:
            what = f"no field {error}" if isinstance(error, KeyError) else str(error)
            raise BadInput(f"{path}, record {number}: {what}: write id, question and answers") from None


def _records(path: str) -> Iterator[dict[str, Any]]:
    text = storage.read_bytes(path).decode("utf-8-sig", errors="replace")
    try:
        listed = json.loads(text) if text.lstrip().startswith("[") else None
        records = [json.loads(line) for line in text.split("\n") if line.strip()] if listed is None else listed
    except ValueError as error:
        raise BadInput(f"{path}: neither JSON lines nor a JSON list: {error}") from None
    yield from records


def _question(record: dict[str, Any], layout: str | None) -> Question:
    fields = [field for name in ([layout] if layout else _GOLD) for field in _GOLD[name]]
    golds = next((record[field] for field in fields if field in record), None)
    if golds is None:
        raise KeyError(fields[0])
    gold, *aliases = [golds] if isinstance(golds, str) else golds
    return Question(
        snapshot="",
        question_id=str(record["id"]),
        kind="qa",
        language="en",
        prompt=record["question"],
        gold=[gold],
        aliases=[[*aliases, *record.get("aliases", ())]],
        n_masks=0,
        hops=record.get("hops") or 0,
        split=Split.TEST,
        source="",
        type=record.get("type"),
    )
