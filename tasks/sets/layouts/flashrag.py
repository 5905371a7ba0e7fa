"""FlashRAG's lines (arXiv 2405.13576): `id`, `question`, `golden_answers`, `metadata`; NQ, TriviaQA, PopQA and others.

All golden answers are equal. Hops, type and evidence are known where the set's metadata holds them, as for HotpotQA and
2WikiMultihopQA, or where the id names them, as for MuSiQue.
"""

from tasks.sets.fields import Record, answers_in, id_in, supporting_facts, text_in
from tasks.sets.interface import SetQuestion
from tasks.sets.layouts import hotpotqa, ircot, two_wiki
from tasks.sets.layouts.interface import RecordLayout


class FlashRag(RecordLayout):
    @staticmethod
    def fits(record: Record) -> bool:
        return "question" in record and "golden_answers" in record

    def read(self, record: Record) -> SetQuestion:
        question_id, answers = id_in(record, "id", is_promised=True), answers_in(record, "golden_answers")
        known = record.get("metadata") or {}
        kind, facts = known.get("type"), known.get("supporting_facts")
        hops = two_wiki.HOPS.get(str(kind), hotpotqa.HOPS) if facts else ircot.hops_of_id(question_id.text)
        return SetQuestion(
            question=text_in(record, "question"),
            answers=answers.texts,
            id=question_id.text,
            type=kind if isinstance(kind, str) else None,
            hops=hops,
            support=supporting_facts(known.get("context"), facts),
            problem=question_id.problem or answers.problem,
        )
