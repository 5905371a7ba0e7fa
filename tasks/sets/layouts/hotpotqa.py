"""HotpotQA (arXiv 1809.09600): the official list, Hugging Face's columns, and lines with `is_supporting`.

The official list has `_id`; the columns may have `id`. Every question takes two hops.
"""

from tasks.sets.fields import Id, Record, answers_in, id_in, supporting_facts, text_in
from tasks.sets.interface import SetQuestion
from tasks.sets.layouts import ircot
from tasks.sets.layouts.interface import RecordLayout

HOPS = 2


class HotpotQA(RecordLayout):
    @staticmethod
    def fits(record: Record) -> bool:
        is_official = "context" in record and ("supporting_facts" in record or "_id" in record)
        return is_official or ircot.set_of(record) == "hotpotqa"

    def read(self, record: Record) -> SetQuestion:
        if "question_text" in record:
            return ircot.read_line(record, HOPS)
        question_id, answers = id_of(record), answers_in(record, "answer")
        return SetQuestion(
            question=text_in(record, "question"),
            answers=answers.texts,
            id=question_id.text,
            type=record.get("type"),
            hops=HOPS,
            support=supporting_facts(record["context"], record.get("supporting_facts")),
            problem=question_id.problem or answers.problem,
        )


def id_of(record: Record) -> Id:
    """The id of a record of the official list, or in columns."""
    in_columns = isinstance(record["context"], dict) and "_id" not in record
    return id_in(record, "id", is_promised=False) if in_columns else id_in(record, "_id", is_promised=True)
