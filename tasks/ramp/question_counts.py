"""Counts of questions and masks by kind, and of the certified questions among them, as figures of a stage."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from schemas.records import Question

_NATS_A_BIN = 5
_COUNTED = (
    *("by_masks", "by_split", "by_strategy", "by_difficulty"),
    *("masks_by_kind", "evidence_by_hops", "evidence_by_kind", "given_away"),
)


ASKABLE, CERTIFIED = "by_split_and_masks", "certified_by_split_and_masks"
"""Figures with the supply of questions, {split: {number of masks: questions}}: of all and of certified questions."""


def is_certified(question: Question) -> bool:
    """Whether every mask has evidence and no mask is given away."""
    return all(mask.evidence and not mask.given_away for mask in question.masks)


def figures_of(questions: Iterable[Question]) -> dict[str, Any]:
    """Questions by masks, split, strategy and difficulty (nats); masks by kind, hops of evidence and flag.

    ``masks`` counts the masks, ``masks_promised`` sums the questions' ``n_masks``.
    """
    counts: dict[str, Counter[str]] = {name: Counter() for name in _COUNTED}
    asked: dict[str, dict[str, Counter[str]]] = {ASKABLE: {}, CERTIFIED: {}}
    masks = promised = certified = 0
    for question in questions:
        promised += question.n_masks
        masks += len(question.masks)
        certified += is_certified(question)
        for name in (ASKABLE, CERTIFIED) if is_certified(question) else (ASKABLE,):
            asked[name].setdefault(question.split, Counter())[str(question.n_masks)] += 1
        counts["by_masks"][str(question.n_masks)] += 1
        counts["by_split"][question.split] += 1
        counts["by_strategy"][str(question.strategy)] += 1
        if question.difficulty is not None:
            counts["by_difficulty"][_bin(question.difficulty)] += 1
        for mask in question.masks:
            counts["masks_by_kind"][mask.kind] += 1
            counts["evidence_by_hops"][str(mask.evidence.hops) if mask.evidence else "none"] += 1
            counts["evidence_by_kind"][mask.kind] += mask.evidence is not None
            counts["given_away"].update(mask.given_away or [])
    return {
        **{name: dict(sorted(counted.items())) for name, counted in counts.items()},
        **{name: {split: dict(sorted(of.items())) for split, of in sorted(by.items())} for name, by in asked.items()},
        "masks": masks,
        "masks_promised": promised,
        "certified_questions": certified,
    }


def _bin(nats: float) -> str:
    start = int(nats // _NATS_A_BIN) * _NATS_A_BIN
    # Padded, because a space sorts before every digit: the order of the texts is the order of the numbers.
    return f"{start:>3}–{start + _NATS_A_BIN}"
