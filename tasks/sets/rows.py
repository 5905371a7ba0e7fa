"""Questions of a set as rows: each with an id that is unique over all sets, and its split.

Splits and a limit are drawn by hashes of (seed, id), each by a hash of its own, so that a limit leaves the shares as
they are. A row depends on no other row.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import xxhash

from schemas.errors import BadInput
from schemas.records import Question, Reject, Split
from schemas.set_settings import SetDrawSettings
from schemas.snapshot import language_of
from tasks.sets.draws import Draw
from tasks.sets.interface import SetQuestion
from tasks.sets.questions import SetReject

SUPPLY = "by_split_and_hops"
"""The figure with the supply of questions, {split: {hops: questions}}."""
_POINTS = 2**64


class Rows(NamedTuple):
    """Questions by id, and rejects in the order of the file. ``read`` counts the questions before a limit."""

    questions: list[Question]
    rejects: list[Reject]
    read: int


def rows_of(found: Iterable[SetQuestion | SetReject], name: str, snapshot: str, settings: SetDrawSettings) -> Rows:
    """The rows of the set ``name``."""
    rejects: list[Reject] = []
    questions = _of_questions(found, name, snapshot, settings, rejects)
    if settings.limit is None:
        drawn = list(questions)
        read = len(drawn)
    else:
        draw = Draw[Question](settings.limit, lambda row: f"{_point('limit', settings.seed, row.question_id):020d}")
        for question in questions:
            draw.add(question)
        drawn, read = draw.drawn(), draw.given
    return Rows(sorted(drawn, key=lambda row: row.question_id), rejects, read)


def figures_of_set(questions: Iterable[Question]) -> dict[str, Any]:
    """Questions by split, type and hops (0: unknown)."""
    counts: dict[str, Counter[str]] = {"by_split": Counter(), "by_type": Counter(), "by_hops": Counter()}
    supply: dict[str, Counter[str]] = {}
    for question in questions:
        supply.setdefault(question.split, Counter())[str(question.hops)] += 1
        counts["by_split"][question.split] += 1
        counts["by_type"][question.type or "none"] += 1
        counts["by_hops"][str(question.hops)] += 1
    ordered = {split: dict(sorted(of.items())) for split, of in sorted(supply.items())}
    return {**{name: dict(sorted(counted.items())) for name, counted in counts.items()}, SUPPLY: ordered}


def _of_questions(
    found: Iterable[SetQuestion | SetReject],
    name: str,
    snapshot: str,
    settings: SetDrawSettings,
    rejects: list[Reject],
) -> Iterator[Question]:
    language = settings.language or language_of(snapshot)
    for row in found:
        row_id = f"{name}-{row.id}"
        if isinstance(row, SetReject):
            rejects.append(Reject(snapshot=snapshot, row_id=row_id, reason=row.reason, failed=False, detail=row.detail))
            continue
        named = {"snapshot": snapshot, "language": language, "source": name}
        yield question_of(row, row_id, {**named, "split": _split_of(row, row_id, settings)})


def question_of(row: SetQuestion, row_id: str, named: Mapping[str, Any]) -> Question:
    """The row of a question; ``named`` are the fields that the file does not say."""
    answer, *others = row.answers
    return Question(
        question_id=row_id,
        kind=row.kind,
        prompt=row.question,
        gold=[answer],
        aliases=[others],
        n_masks=0,
        hops=row.hops,
        type=row.type,
        support=list(row.support),
        steps=list(row.steps),
        **named,
    )


def _split_of(row: SetQuestion, row_id: str, settings: SetDrawSettings) -> Split:
    """The split by the settings, or else the file's own.

    Raises:
        BadInput: neither says it.
    """
    if settings.splits:
        return _split(row_id, settings.seed, settings.splits)
    if row.split is None:
        raise BadInput(f"{row_id}: the file gives it no split: give the set a split or shares")
    return row.split


def _split(row_id: str, seed: int, shares: Mapping[Split, float]) -> Split:
    """The split in whose share of the line from 0 to 1 the id's point lies; splits lie on it in their own order."""
    ordered = [split for split in Split if split in shares]
    point, end = _point("split", seed, row_id) / _POINTS, 0.0
    for split in ordered:
        end += shares[split]
        if point < end:
            return split
    return ordered[-1]


def _point(lot: str, seed: int, row_id: str) -> int:
    return xxhash.xxh64_intdigest(f"{lot} {seed} {row_id}".encode())
