"""Which questions an evaluation asks, and how many answers that makes of every contestant."""

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
    """``per_masks`` questions of the split for each of these numbers of masks, by seed; the same whoever answers.

    Raises:
        BadInput: there are fewer.
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


def too_few(there: Mapping[int, int], settings: EvaluationSettings, masks: Sequence[int]) -> Iterator[str]:
    """A line for each number of masks of which the split holds fewer questions than are asked.

    Args:
        there: the split's questions by their number of masks.
    """
    for n_masks in sorted(masks):
        given = there.get(n_masks, 0)
        if given < settings.per_masks:
            yield (
                f"evaluation.per_masks asks for {settings.per_masks} questions of each number of masks (ramp.masks), "
                f"but the split {settings.split} holds {given} of {n_masks}: make more, or ask for fewer"
            )


def answers_of_one(settings: EvaluationSettings, masks: Sequence[int]) -> int:
    """How many answers a contestant gives to the chosen questions."""
    return settings.per_masks * len(masks) * len(DECODINGS)
