"""Lines with `question_text`, `answers_objects` and `contexts`: one form for HotpotQA, 2WikiMultihopQA and MuSiQue.

It was published with IRCoT (arXiv 2212.10509). The set is known by the form of its ids.
"""

import re
from typing import Any, Literal

from tasks.sets.fields import Answers, Record, answers_of, id_in, supporting_paragraphs, text_in
from tasks.sets.interface import SetQuestion

_TWO_WIKI_ID = re.compile(r"[0-9a-f]{32}")
_MUSIQUE_ID = re.compile(r"([1-9])hop\d*__")


def hops_of_id(question_id: object) -> int:
    """The hops that an id of MuSiQue names; 0 for other ids."""
    found = _MUSIQUE_ID.match(str(question_id))
    return int(found[1]) if found else 0


def set_of(record: Record) -> Literal["hotpotqa", "two_wiki", "musique"] | None:
    """The set that a line is from; None if it is of another form."""
    if "question_text" not in record or "contexts" not in record:
        return None
    question_id = str(record.get("question_id"))
    if hops_of_id(question_id):
        return "musique"
    return "two_wiki" if _TWO_WIKI_ID.fullmatch(question_id) else "hotpotqa"


def read_line(record: Record, hops: int) -> SetQuestion:
    """The question of a line, with the paragraphs that are marked as supporting."""
    question_id, answers = id_in(record, "question_id", is_promised=True), _answers(record)
    return SetQuestion(
        question=text_in(record, "question_text"),
        answers=answers.texts,
        id=question_id.text,
        hops=hops,
        support=supporting_paragraphs(record["contexts"]),
        problem=question_id.problem or answers.problem,
    )


def _answers(record: Record) -> Answers:
    """All objects are equal answers, each as spans, a number or a date."""
    objects = record.get("answers_objects")
    if not objects:
        return answers_of(objects, "answers_objects")
    return answers_of([_answer(each) for each in objects], "answers_objects")


def _answer(written: dict[str, Any]) -> str:
    date = written.get("date") or {}
    spans = [span for span in written.get("spans") or () if span]
    day = " ".join(str(date[part]) for part in ("day", "month", "year") if date.get(part))
    return ", ".join(spans) or str(written.get("number") or "") or day
