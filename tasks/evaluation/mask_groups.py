"""Recall by what a mask is: its kind, its length, how surprising it is, and how many searches lead to its evidence.

A question's span recall is the mean over its masks; here every mask counts by itself. Intervals are those of a
bootstrap over masks, so they take the masks of one paragraph for independent.
"""

from bisect import bisect
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import fmean
from typing import NamedTuple

from schemas.records import Answer, Mask, Question
from tasks.agent.scoring import score, words
from tasks.evaluation.statistics import Interval, mean_interval

_LENGTHS = ("1 word", "2 words", "3 words or more")
_NATS = (2.0, 5.0, 10.0)
"""Limits of the bands of surprisal."""


class MaskGroup(NamedTuple):
    """The recall of all masks with one value (``group``) of a property (``by``)."""

    by: str
    group: str
    recall: Interval


def recall_by_group(
    answers: Iterable[Answer], questions: Mapping[str, Question], resamples: int
) -> Iterator[MaskGroup]:
    """Recall of one contestant's masks by each property that is known, in the order of the groups.

    Several answers to a question, such as those of several seeds, count by their mean. Answers whose question is not in
    ``questions`` (by id) are left out.
    """
    recalls: dict[tuple[str, int], list[float]] = defaultdict(list)
    for answer in answers:
        question = questions.get(answer.question_id)
        if question is not None:
            for number, recall in enumerate(score(question, answer.answer).per_mask):
                recalls[question.question_id, number].append(recall)
    grouped: dict[tuple[str, str], list[float]] = defaultdict(list)
    for (question_id, number), values in recalls.items():
        for name in _groups(questions[question_id].masks[number]):
            grouped[name].append(fmean(values))
    for (by, group), values in sorted(grouped.items()):
        yield MaskGroup(by, group, mean_interval(values, resamples))


def _groups(mask: Mask) -> Iterator[tuple[str, str]]:
    yield "kind", str(mask.kind)
    yield "length", _LENGTHS[min(len(words(mask.surface)), len(_LENGTHS)) - 1]
    yield "evidence", _hops(mask)
    if mask.surprisal is not None:
        yield "surprisal", _band(mask.surprisal, _NATS)


def _hops(mask: Mask) -> str:
    if mask.evidence is None:
        return "not found"
    return f"{mask.evidence.hops} search{'es' * (mask.evidence.hops > 1)}"


def _band(value: float, limits: Sequence[float]) -> str:
    place = bisect(limits, value)
    if place == len(limits):
        return f"{limits[-1]:g} nats or more"
    return f"below {limits[place]:g} nats" if place == 0 else f"{limits[place - 1]:g} to {limits[place]:g} nats"
