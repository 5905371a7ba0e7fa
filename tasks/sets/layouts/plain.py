"""Questions with their answers and nothing more: lists and lines of `question` with `answer` or `answers`, and tables.

A cell of answers may be a JSON list. An `id`, a `type` and a number of `hops` are read where a record has them.
"""

import json
from typing import Any

from schemas.records import Support
from tasks.sets.fields import Answers, Record, answers_in, answers_of, id_in, text_in
from tasks.sets.interface import SetQuestion
from tasks.sets.layouts.interface import RecordLayout

_QUESTION = ("question", "question_text", "Question")


class Plain(RecordLayout):
    @staticmethod
    def fits(record: Record) -> bool:
        return any(name in record for name in _QUESTION)

    def read(self, record: Record) -> SetQuestion:
        return read_pair(record)


def read_pair(record: Record) -> SetQuestion:
    """A question and its answers, and its passage where the record has a `text`."""
    question_id, answers = id_in(record, "id", is_promised=False), _answers(record)
    passage = record.get("text")
    return SetQuestion(
        question=text_in(record, *_QUESTION),
        answers=answers.texts,
        id=question_id.text,
        type=kind if isinstance(kind := record.get("type"), str) else None,
        hops=hops if isinstance(hops := record.get("hops"), int) else 0,
        support=[Support(title=str(record.get("title") or ""), text=passage)] if isinstance(passage, str) else [],
        problem=answers.problem,
    )


def _answers(record: Record) -> Answers:
    listed = record.get("answers")
    if isinstance(listed, str) and listed.lstrip().startswith("["):
        return answers_of(_list_in(listed), "answers")
    return answers_in(record, "answer", "answers", "Answer")


def _list_in(cell: str) -> Any:
    try:
        return json.loads(cell)
    except ValueError:
        return cell
