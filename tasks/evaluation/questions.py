"""The questions that an evaluation asks, and the number of answers from every contestant."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

from schemas.errors import BadInput
from schemas.manifest import digest_of
from schemas.records import Question
from schemas.settings import EvaluationSettings
from tasks.sets.draws import Draw

Decoding = Literal["greedy", "sampled"]
DECODINGS: tuple[Decoding, ...] = ("greedy", "sampled")


def chosen_questions(
    questions: Iterable[Question], settings: EvaluationSettings, masks: Sequence[int]
) -> list[Question]:
    """``per_masks`` questions of the split for each of these numbers of masks, drawn by seed, the same for all models.

    Raises:
        BadInput: the split has too few questions.
    """

    def new_draw() -> Draw[Question]:
        return Draw(settings.per_masks, lambda asked: digest_of([settings.seed, "evaluation", asked.question_id]))

    by_masks = {n_masks: new_draw() for n_masks in sorted(masks)}
    for question in questions:
        if question.split == settings.split and question.n_masks in by_masks:
            by_masks[question.n_masks].add(question)
    for words in too_few({n_masks: draw.given for n_masks, draw in by_masks.items()}, settings, masks):
        raise BadInput(words)
    return [question for draw in by_masks.values() for question in draw.drawn()]


def too_few(available: Mapping[int, int], settings: EvaluationSettings, masks: Sequence[int]) -> Iterator[str]:
    """A message for each number of masks with fewer questions in the split than the evaluation needs.

    Args:
        available: the number of the split's questions by their number of masks.
    """
    for n_masks in sorted(masks):
        count = available.get(n_masks, 0)
        if count < settings.per_masks:
            yield (
                f"evaluation.per_masks needs {settings.per_masks} questions for each number of masks (ramp.masks), but "
                f"the split {settings.split} has {count} with {n_masks}: make more questions, or lower it"
            )


def answers_of_one(settings: EvaluationSettings, masks: Sequence[int]) -> int:
    """The number of answers that each contestant gives to the chosen questions."""
    return settings.per_masks * len(masks) * len(DECODINGS)
