"""The questions that answers from elsewhere are scored against: of a set's file, or of a ledger."""

from collections.abc import Iterator

from schemas.errors import BadInput
from schemas.paths import local_path
from schemas.records import Question, Split
from schemas.set_settings import layout_settings
from tasks.ledger import storage
from tasks.sets.interface import SetQuestion
from tasks.sets.questions import read_questions
from tasks.sets.rows import question_of

_ELSEWHERE = {"snapshot": "", "language": "en", "split": Split.TEST, "source": ""}
"""What a file does not say of its questions, and scores do not depend on."""


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
    try:
        settings = layout_settings(layout, path)
    except ValueError as error:
        raise BadInput(f"--layout {layout}: {error}") from None
    for row in read_questions(settings):
        if isinstance(row, SetQuestion):
            yield question_of(row, str(row.id), _ELSEWHERE)
