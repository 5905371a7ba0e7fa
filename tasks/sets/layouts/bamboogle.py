"""Bamboogle (arXiv 2210.03350): `Question` and `Answer` as a table or a list, and lines with a chat and its reward.

All its questions take two hops. Lines of the second form may hold another set, which they name.
"""

from typing import Any

from tasks.sets.fields import Id, Record, answers_in, id_in, text_in
from tasks.sets.interface import SetQuestion
from tasks.sets.layouts.interface import RecordLayout

HOPS = 2
_SET = "bamboogle"


class Bamboogle(RecordLayout):
    @staticmethod
    def fits(record: Record) -> bool:
        return "Question" in record or "prompt" in record

    def read(self, record: Record) -> SetQuestion:
        if "prompt" in record:
            return _of_chat(record)
        question_id, answers = id_in(record, "id", is_promised=False), answers_in(record, "Answer", "answer")
        return SetQuestion(
            question=text_in(record, "Question"),
            answers=answers.texts,
            id=question_id.text,
            hops=HOPS,
            problem=answers.problem,
        )


def _of_chat(record: Record) -> SetQuestion:
    """The bare question stands beside the chat, whose message may hold instructions, too."""
    extra: dict[str, Any] = record.get("extra_info") or {}
    messages = [message["content"] for message in record["prompt"]]
    reward = (record.get("reward_model") or {}).get("ground_truth")
    answers = answers_in({"ground_truth": reward["target"] if isinstance(reward, dict) else reward}, "ground_truth")
    question_id = id_in(extra, "index", is_promised=False) if "index" in extra else Id()
    return SetQuestion(
        question=text_in({"question": extra.get("question") or "\n".join(messages)}, "question"),
        answers=answers.texts,
        id=question_id.text,
        hops=HOPS if _SET in str(record.get("data_source")).casefold() else 0,
        problem=answers.problem,
    )
