"""The questions that an evaluation asks of a set."""

import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Literal

from schemas.counts import counted
from schemas.errors import BadInput
from schemas.evaluation_settings import EvaluatedSet
from schemas.manifest import digest_of
from schemas.names import RAMP
from schemas.records import Question
from tasks.sets.draws import Draw

Decoding = Literal["greedy", "sampled"]
DECODINGS: tuple[Decoding, ...] = ("greedy", "sampled")


def chosen_questions(
    questions: Iterable[Question], name: str, settings: EvaluatedSet, seed: int, levels: Collection[int] | None
) -> list[Question]:
    """The questions of a set that all contestants are asked: ``per_level`` of each level, or all.

    Args:
        levels: the levels (`Question.level`) that are asked; None: all that the split has.

    Raises:
        BadInput: the split has too few questions.
    """
    key = lambda asked: digest_of([seed, "evaluation", asked.question_id])  # noqa: E731
    by_level: dict[int, Draw[Question]] = {}
    for question in questions:
        if question.split == settings.split and (levels is None or question.level in levels):
            draw = by_level.setdefault(question.level, Draw(settings.per_level or sys.maxsize, key))
            draw.add(question)
    for words in too_few({level: draw.given for level, draw in by_level.items()}, name, settings, levels):
        raise BadInput(words)
    return [question for _, draw in sorted(by_level.items()) for question in draw.drawn()]


def too_few(
    available: Mapping[int, int], name: str, settings: EvaluatedSet, levels: Collection[int] | None
) -> Iterator[str]:
    """A message for each level with fewer questions in the split than the evaluation needs.

    Args:
        available: the number of the split's questions by level.
        levels: as for `chosen_questions`.
    """
    where = f"evaluation.sets.{name}"
    if not sum(available.values()):
        yield f"{where}: the split {settings.split} has no question: name another split, or make more questions"
        return
    unit = "masks" if name == RAMP else "hops"
    for level in sorted(available if levels is None else levels):
        count = available.get(level, 0)
        if settings.per_level is not None and count < settings.per_level:
            yield (
                f"{where}.per_level needs {counted(settings.per_level, 'question')} for each number of {unit}, but the "
                f"split {settings.split} has {count} with {level}: make more questions, or lower it"
            )
