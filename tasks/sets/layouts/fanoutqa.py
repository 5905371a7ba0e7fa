"""FanOutQA (arXiv 2402.14116), whose answers are texts, numbers, lists, or mappings from a name to its value.

A question has one gold answer, which an agent has to give whole. So a list is one answer with its members in a row
("a, b, c"), and a mapping one with its names and values ("a: 1, b: 2"): recall and F1 then count what was found of all
members, as the set's own measure does for names and values, and an exact match has them all in the same order. As
alternatives, one member alone would be a full answer. True and false are yes and no.

Sub-questions are the steps, those of a sub-question before it. The hops are the longest chain of sub-questions in which
each depends on the one before.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from schemas.records import Step, Support
from tasks.sets.fields import Answers, Record, id_in, is_scalar, text_in, written
from tasks.sets.interface import SetQuestion
from tasks.sets.layouts.interface import RecordLayout


class FanOutQA(RecordLayout):
    @staticmethod
    def fits(record: Record) -> bool:
        return "question" in record and "decomposition" in record

    def read(self, record: Record) -> SetQuestion:
        question_id, answers = id_in(record, "id", is_promised=True), _answers(record)
        titles = list(dict.fromkeys(_titles(record["decomposition"])))
        places = {title: place for place, title in enumerate(titles)}
        return SetQuestion(
            question=text_in(record, "question"),
            answers=answers.texts,
            id=question_id.text,
            hops=_longest_chain(record["decomposition"]),
            support=[Support(title=title, text=None) for title in titles],
            steps=list(_steps(record["decomposition"], places)),
            sub_questions=list(_questions(record["decomposition"])),
            problem=question_id.problem or answers.problem,
        )


def _answers(record: Record) -> Answers:
    if record.get("answer") is None:
        return Answers()
    if record["answer"] in ([], {}):
        return Answers(problem="the field answer is empty: give at least one member, or remove the record")
    whole = _whole(record["answer"])
    if whole is None:
        return Answers(problem="the field answer is neither text, a number, nor a list or mapping of these")
    return Answers((whole,)) if whole else Answers()


def _whole(answer: Any) -> str | None:
    """An answer with all its members; None if they are nested."""
    if is_scalar(answer):
        return written(answer)
    if isinstance(answer, list) and all(map(is_scalar, answer)):
        return ", ".join(map(written, answer))
    if isinstance(answer, dict) and all(map(is_scalar, answer.values())):
        return ", ".join(f"{name}: {written(value)}" for name, value in answer.items())
    return None


def _questions(steps: Sequence[Record]) -> Iterator[str]:
    for step in steps:
        yield text_in(step, "question")
        yield from _questions(step.get("decomposition") or ())


def _titles(steps: Sequence[Record]) -> Iterator[str]:
    for step in steps:
        yield from _titles(step.get("decomposition") or ())
        if step.get("evidence"):
            yield step["evidence"]["title"]


def _steps(steps: Sequence[Record], places: dict[str, int]) -> Iterator[Step]:
    for step in steps:
        yield from _steps(step.get("decomposition") or (), places)
        evidence, answer = step.get("evidence"), _whole(step.get("answer"))
        place = places[evidence["title"]] if evidence else None
        yield Step(question=text_in(step, "question"), answer=answer or "", support=place)


def _longest_chain(steps: Sequence[Record]) -> int:
    """The most steps of which each depends on the one before; a step with sub-questions is as long as their chain."""
    length: dict[Any, int] = {}
    for step in steps:
        before = (length.get(other, 0) for other in step.get("depends_on") or ())
        own = _longest_chain(step.get("decomposition") or ()) or 1
        length[step.get("id")] = max(length.get(step.get("id"), 0), own + max(before, default=0))
    return max(length.values(), default=0)
