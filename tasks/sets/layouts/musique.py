"""MuSiQue (arXiv 2108.00573): official lines with paragraphs, lines with `is_supporting`, and plain pairs.

The hops are the steps of the decomposition; the type is the form that the id names (2hop, 3hop1 …). Questions of the
full set that are not answerable are rejected.
"""

from collections.abc import Sequence

from schemas.records import Step
from tasks.sets.fields import Record, answers_in, id_in, supporting_paragraphs, text_in
from tasks.sets.interface import SetQuestion
from tasks.sets.layouts import ircot
from tasks.sets.layouts.interface import RecordLayout
from tasks.sets.layouts.plain import read_pair


class MuSiQue(RecordLayout):
    reads_pairs = True

    @staticmethod
    def fits(record: Record) -> bool:
        return ("question" in record and "paragraphs" in record) or ircot.set_of(record) == "musique"

    def read(self, record: Record) -> SetQuestion:
        if "question_text" in record:
            return ircot.read_line(record, ircot.hops_of_id(record.get("question_id")))
        if "paragraphs" not in record:
            return read_pair(record)
        question_id, answers = id_in(record, "id", is_promised=True), answers_in(record, "answer")
        form, is_form, _ = (question_id.text or "").partition("__")
        decomposition = record.get("question_decomposition") or []
        return SetQuestion(
            question=text_in(record, "question"),
            answers=answers.also(record.get("answer_aliases") or ()).texts,
            id=question_id.text,
            type=form if is_form else None,
            hops=len(decomposition),
            support=supporting_paragraphs(record["paragraphs"]),
            steps=_steps(decomposition, record["paragraphs"]),
            is_answerable=record.get("answerable", True),
            problem=question_id.problem or answers.problem,
        )


def _steps(decomposition: Sequence[Record], paragraphs: Sequence[Record]) -> list[Step]:
    """The steps, each with the place of its paragraph among those that are supporting."""
    supporting = (
        [paragraph["idx"] for paragraph in paragraphs if paragraph.get("is_supporting")] if decomposition else []
    )
    places = {idx: place for place, idx in enumerate(supporting)}
    return [
        Step(
            question=text_in(step, "question"),
            answer=text_in(step, "answer"),
            support=places.get(step.get("paragraph_support_idx")),
        )
        for step in decomposition
    ]
