"""FreshQA (arXiv 2310.03214): a table with `answer_0` to `answer_9`, which are equal answers.

The type is `false_premise` for questions that assume what is not true, and how fast the answer changes for all others.
A question is of one hop, or of an unknown number. Pages of Wikipedia among the sources are its evidence.
"""

import re
from collections.abc import Iterator
from urllib.parse import unquote

from schemas.records import Support
from tasks.sets.fields import Record, answers_of, id_in, text_in
from tasks.sets.interface import SetQuestion
from tasks.sets.layouts.interface import RecordLayout

_ANSWERS = [f"answer_{number}" for number in range(10)]
_PAGE = re.compile(r"https?://[a-z-]+(?:\.m)?\.wikipedia\.org/wiki/([^\s#?]+)")


class FreshQA(RecordLayout):
    @staticmethod
    def fits(record: Record) -> bool:
        return "question" in record and "answer_0" in record

    def read(self, record: Record) -> SetQuestion:
        question_id = id_in(record, "id", is_promised=True)
        answers = answers_of([record.get(name) for name in _ANSWERS], "answer_0")
        is_false = (record.get("false_premise") or "").upper() == "TRUE"
        return SetQuestion(
            question=text_in(record, "question"),
            answers=answers.texts,
            id=question_id.text,
            type="false_premise" if is_false else record.get("fact_type") or None,
            hops=1 if record.get("num_hops") == "one-hop" else 0,
            support=[Support(title=title, text=None) for title in dict.fromkeys(_titles(record.get("source") or ""))],
            problem=question_id.problem or answers.problem,
        )


def _titles(source: str) -> Iterator[str]:
    for page in _PAGE.findall(source):
        yield unquote(page).replace("_", " ")
