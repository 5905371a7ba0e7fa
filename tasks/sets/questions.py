"""The questions of a set that can be asked, and the rejected records with their reasons."""

from collections.abc import Iterator
from dataclasses import replace
from enum import StrEnum
from typing import NamedTuple

from schemas.errors import BadInput
from schemas.manifest import digest_of
from schemas.records import ClaimLabel
from schemas.set_settings import SetSettings
from tasks.sets.interface import SetQuestion, SetText
from tasks.sets.registry import read_records

_DIGITS = 16


class Reason(StrEnum):
    """Why a record is no question to ask."""

    UNANSWERABLE = "unanswerable"  # the set says that its passages do not answer it
    NO_ANSWER = "no_answer"  # the answer is blank or missing, as in test splits that hide theirs
    NO_QUESTION = "no_question"  # the question is blank
    DUPLICATE_ID = "duplicate_id"  # an earlier record has this id
    DUPLICATE_QUESTION = "duplicate_question"  # the set has no ids, and an earlier record asks the same


class SetReject(NamedTuple):
    """A record that is no question to ask. ``id`` is its own, or its number in the file."""

    id: str
    reason: Reason
    detail: str


def read_questions(settings: SetSettings) -> Iterator[SetQuestion | SetReject]:
    """Every record of a set, in the order of its file: a question with its id, or a reject.

    Raises:
        BadInput: the file cannot be read, a record is not in its layout, or a field needs a correction.
    """
    numbers: dict[str, int] = {}
    for number, row in enumerate(read_records(settings), 1):
        where = f"{settings.path}, record {number}"
        if isinstance(row, SetText):
            raise BadInput(f"{where}: a passage that nothing is asked about: give a file of questions")
        if row.problem is not None:
            raise BadInput(f"{where}: {row.problem}")
        if row.kind == "claim" and not set(row.answers) <= set(ClaimLabel):
            labels = " or ".join(ClaimLabel)
            raise BadInput(f"{where}: the answer to a claim is {', '.join(row.answers)}: its layout must give {labels}")
        question_id = row.id or digest_of(row.question)[:_DIGITS]
        reason = _reason(row, is_repeated=question_id in numbers)
        if reason is None:
            numbers[question_id] = number
            yield replace(row, id=question_id)
        else:
            first = f", as record {numbers[question_id]}" if question_id in numbers else ""
            yield SetReject(row.id or f"record {number}", reason, f"record {number}{first}: {row.question}")


def _reason(row: SetQuestion, *, is_repeated: bool) -> Reason | None:
    if not row.question.strip():
        return Reason.NO_QUESTION
    if not row.is_answerable:
        return Reason.UNANSWERABLE
    if not row.answers:
        return Reason.NO_ANSWER
    if is_repeated:
        return Reason.DUPLICATE_QUESTION if row.id is None else Reason.DUPLICATE_ID
    return None
