"""Spans that a model names: each is located in the text, whole and once, or refused with its reason.

A backend names spans as they are written; where they stand is found here, so that no model has to count characters.
What is located is a candidate like a link, and has to pass the same rules (`tasks.spans.spans`).
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from schemas.records import Passage, Proposals, ProposedSpan, RefusedSpan, SpanKind
from tasks.corpus.words import is_whole
from tasks.ledger import storage


class Named(NamedTuple):
    surface: str
    kind: SpanKind


class Refusal(StrEnum):
    """Why a named span cannot be masked."""

    NOT_THERE = "not_there"
    SEVERAL = "several"  # it stands more than once
    NOT_WHOLE = "not_whole"  # it is cut out of a word or a number
    UNREADABLE = "unreadable"  # not a span: the whole reply could not be read
    REQUEST_REFUSED = "request_refused"  # not a span: the endpoint does not take this paragraph


def proposals_of(passage: Passage, named: Iterable[Named]) -> Proposals:
    """All that was named, each surface once: located, in order of the text, or refused."""
    spans, refused = [], []
    for surface, kind in dict(named).items():
        reason = _refusal(passage.text, surface)
        if reason is None:
            start = passage.text.index(surface)
            spans.append(ProposedSpan(start=start, end=start + len(surface), surface=surface, kind=kind))
        else:
            refused.append(RefusedSpan(surface=surface, reason=reason))
    return Proposals(
        snapshot=passage.snapshot,
        passage_id=passage.passage_id,
        spans=sorted(spans, key=lambda span: span.start),
        refused=refused,
    )


def none_named(passage: Passage, why: Refusal) -> Proposals:
    refused = [RefusedSpan(surface="", reason=why)]
    return Proposals(snapshot=passage.snapshot, passage_id=passage.passage_id, spans=[], refused=refused)


def read_proposals(paths: Iterable[str]) -> dict[str, Proposals]:
    """By passage id."""
    return {row.passage_id: row for path in paths for row in storage.read_rows(path, Proposals)}


def part_key(passages: str, start: int) -> str:
    """The key of a part about the rows of a passages part from its ``start``-th on."""
    return f"{passages}-{start:06d}"


def passages_key(part: str) -> str:
    """The key of the passages part that such a part is about."""
    return part.rpartition("-")[0]


def _refusal(text: str, surface: str) -> Refusal | None:
    start = text.find(surface) if surface else -1
    if start < 0:
        return Refusal.NOT_THERE
    if text.find(surface, start + 1) >= 0:
        return Refusal.SEVERAL
    return None if is_whole(text, start, start + len(surface)) else Refusal.NOT_WHOLE
