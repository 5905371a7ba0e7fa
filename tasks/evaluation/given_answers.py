"""Scores of answers from elsewhere: JSON lines of ids and answers, against the questions of a set.

A question without an answer counts as wrong. An answer to no question of the set is refused, because it shows that
another set was answered.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from schemas.counts import counted
from schemas.errors import BadInput
from schemas.paths import local_path
from schemas.records import Answer, EndReason, Question
from tasks.agent.scoring import score
from tasks.evaluation.scores import intervals_of
from tasks.ledger import storage

_IDS, _ANSWERS = ("question_id", "id"), ("answer", "prediction")
_OF_TEXTS = ("span_recall", "exact", "f1", "recall", "substring")
"""The metrics that need the text of the answer alone."""


class Row(NamedTuple):
    """A metric over the questions of one level or type; ``level`` 0 without ``type`` stands for all questions."""

    level: int
    type: str | None
    metric: str
    mean: float
    low: float
    high: float
    n: int


def answers_in(path: str) -> dict[str, str | None]:
    """By question id the answers of a file of JSON lines; null is no answer.

    Raises:
        BadInput: there is no such file, a line is not of this form, or a question was answered twice.
    """
    try:
        lines = storage.read_bytes(local_path(path)).split(b"\n")
    except (FileNotFoundError, IsADirectoryError):
        raise BadInput(f"{path}: no such file of answers: check the path") from None
    found: dict[str, str | None] = {}
    for number, line in enumerate(lines, 1):
        if line.strip():
            question_id, answer = _pair(f"{path}, line {number}", line)
            if question_id in found:
                raise BadInput(
                    f"{path}, line {number}: the question {question_id!r} was answered before: keep one line"
                )
            found[question_id] = answer
    if not found:
        raise BadInput(f"{path}: no answers: write one JSON line with id and answer for each question")
    return found


def _pair(where: str, line: bytes) -> tuple[str, str | None]:
    try:
        record: Any = json.loads(line)
    except ValueError:
        raise BadInput(f"{where}: not JSON: write one object with id and answer") from None
    if not isinstance(record, dict):
        raise BadInput(f"{where}: not an object: write one with id and answer")
    question_id, answer = _first(where, record, _IDS), _first(where, record, _ANSWERS)
    if isinstance(question_id, bool) or not isinstance(question_id, str | int):
        raise BadInput(f"{where}: the id is {json.dumps(question_id)}: write text or a whole number")
    if answer is not None and not isinstance(answer, str):
        raise BadInput(f"{where}: the answer is {json.dumps(answer)[:60]}: write text, or null for no answer")
    return str(question_id), answer


def _first(where: str, record: Mapping[str, Any], names: Sequence[str]) -> Any:
    for name in names:
        if name in record:
            return record[name]
    raise BadInput(f"{where}: no field {' or '.join(names)}: write one object with id and answer")


def scored(questions: Sequence[Question], given: Mapping[str, str | None], path: str) -> list[Answer]:
    """One row for each question of the set, in its order. Answers may name a question without its set's name.

    Raises:
        BadInput: an id is not in the set.
    """
    full = {question.question_id.removeprefix(f"{question.source}-"): question.question_id for question in questions}
    full |= {question.question_id: question.question_id for question in questions}
    unknown = [question_id for question_id in given if question_id not in full]
    if unknown:
        verb = "is" if len(given) == 1 else "are"
        raise BadInput(
            f"{path}: {len(unknown):,} of {counted(len(given), 'id')} {verb} not in the set, such as {unknown[0]!r}: "
            "give the set that was asked, or remove these lines"
        )
    answers = {full[question_id]: text for question_id, text in given.items()}
    if len(answers) < len(given):
        raise BadInput(f"{path}: a question is named with and without its set's name: keep one line for each question")
    return [_row(question, answers.get(question.question_id)) for question in questions]


def _row(question: Question, text: str | None) -> Answer:
    scores = score(question, text)
    return Answer(
        snapshot=question.snapshot,
        model="",
        retrieval="live",
        decoding="greedy",
        set=question.source,
        question_id=question.question_id,
        n_masks=question.n_masks,
        gold=question.gold,
        answer=text,
        recall=scores.recall,
        f1=scores.f1,
        exact=scores.exact,
        searches=[],
        n_tokens=0,
        end_reason=EndReason.TURNS if text is None else EndReason.ANSWERED,
        hops=0 if question.n_masks else question.hops,
        type=question.type,
        substring=scores.substring,
    )


def summary_of(answers: Sequence[Answer], resamples: int) -> list[Row]:
    """The metrics with 95% intervals: of all questions, by level, then by type."""
    rows = [
        Row(level, None, metric, *interval)
        for level, metric, interval in intervals_of(answers, resamples)
        if metric in _OF_TEXTS
    ]
    for name in sorted({answer.type for answer in answers if answer.type is not None}):
        of_type = [answer for answer in answers if answer.type == name]
        rows += [
            Row(level, name, metric, *interval)
            for level, metric, interval in intervals_of(of_type, resamples)
            if metric in _OF_TEXTS and level == 0
        ]
    return rows
