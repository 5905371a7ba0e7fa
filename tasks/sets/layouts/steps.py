"""Questions with their decomposition, in a layout of this project: the sample's own questions are written in it.

A line has ``id``, ``question``, ``answer``, ``aliases``, ``type``, ``hops``, ``support`` ({title, text or null}) and
``steps`` ({question, answer, support}: a place in ``support``, or null). It may have ``split``.
"""

from schemas.records import Split, Step, Support
from tasks.sets.fields import Record, answers_in, id_in, text_in
from tasks.sets.interface import SetQuestion
from tasks.sets.layouts.interface import RecordLayout


class Steps(RecordLayout):
    @staticmethod
    def fits(record: Record) -> bool:
        return {"question", "answer", "support", "steps"} <= record.keys()

    def read(self, record: Record) -> SetQuestion:
        question_id, answers = id_in(record, "id", is_promised=True), answers_in(record, "answer")
        return SetQuestion(
            question=text_in(record, "question"),
            answers=answers.also(record.get("aliases") or ()).texts,
            id=question_id.text,
            type=record.get("type"),
            hops=record.get("hops") or 0,
            support=[Support.model_validate(each) for each in record["support"]],
            steps=[Step.model_validate(each) for each in record["steps"]],
            split=Split(record["split"]) if record.get("split") else None,
            problem=question_id.problem or answers.problem,
        )
