"""Which questions a model answers without a search, and the answers to those that it does not.

A model knows a question if its greedy answer in the way `direct` is an exact match: a row of `answers` says so for each
question. A model that searches adds something where the start did not know.
"""

from collections.abc import Iterable, Mapping, Sequence

from schemas.records import Answer

WAY = "direct"


def known_questions(answers: Iterable[Answer], name: str, model: str) -> dict[str, bool]:
    """For each question of a set that the model answered without a search, whether it knows it."""
    return {row.question_id: row.exact == 1 for row in answers if row.set == name and _decides(row, model)}


def answers_to_unknown(answers: Sequence[Answer], known_by: Mapping[str, str]) -> list[Answer]:
    """The answers to questions that are not known, in their order.

    Answers without a search of the model that decides are left out: they are wrong by definition.

    Args:
        known_by: the model that decides, by set. Other sets, and sets that it has not answered yet, have none.
    """
    known = {name: known_questions(answers, name, model) for name, model in known_by.items()}
    return [
        row
        for row in answers
        if not known.get(row.set, {}).get(row.question_id, True)
        and not (row.model == known_by[row.set] and row.way == WAY)
    ]


def _decides(row: Answer, model: str) -> bool:
    return (row.model, row.way, row.decoding) == (model, WAY, "greedy")
