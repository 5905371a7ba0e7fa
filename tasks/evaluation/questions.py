"""Which questions an evaluation asks, and how many answers that makes of every contestant."""

from collections.abc import Iterable, Sequence
from typing import Literal

from schemas.errors import BadInput
from schemas.manifest import digest_of
from schemas.records import Question
from schemas.settings import EvaluationSettings

Decoding = Literal["greedy", "sampled"]
DECODINGS: tuple[Decoding, ...] = ("greedy", "sampled")


def chosen_questions(
    questions: Iterable[Question], settings: EvaluationSettings, masks: Sequence[int]
) -> list[Question]:
    """``per_masks`` questions of the split for each of these numbers of masks, by seed; the same whoever answers.

    Raises:
        BadInput: there are fewer.
    """
    by_masks: dict[int, list[Question]] = {n_masks: [] for n_masks in sorted(masks)}
    for question in questions:
        if question.split == settings.split and question.n_masks in by_masks:
            by_masks[question.n_masks].append(question)
    for n_masks, found in by_masks.items():
        if len(found) < settings.per_masks:
            raise BadInput(
                f"evaluation.per_masks asks for {settings.per_masks} questions of each number of masks (ramp.masks), "
                f"but the split {settings.split} holds {len(found)} of {n_masks}: make more, or ask for fewer"
            )
        found.sort(key=lambda question: digest_of([settings.seed, "evaluation", question.question_id]))
    return [question for found in by_masks.values() for question in found[: settings.per_masks]]


def answers_of_one(settings: EvaluationSettings, masks: Sequence[int]) -> int:
    """How many answers a contestant gives to the chosen questions."""
    return settings.per_masks * len(masks) * len(DECODINGS)
