"""The choice of the spans of a paragraph that are masked, and the masked text."""

import random
import re
from collections.abc import Mapping, Sequence

from schemas.records import SpanKind
from tasks.agent.protocol import MASK, neutralise
from tasks.corpus.words import count_unspaced
from tasks.spans.lists import are_exchangeable, are_of_one_list
from tasks.spans.spans import Span

_NAMED = (SpanKind.ENTITY, SpanKind.TERM)
_PLACE = re.compile(r" (?:in|at|near|on|of) (?:the )?")
# Cheaper than splitting into sentences. An abbreviation counts as an end here, which only allows more pairs of masks.
_SENTENCE_END = re.compile(r"[.!?](?=[\s\"'”’)\]])|[。！？]")


def can_be_masked(text: str) -> bool:
    """Whether a text contains no mask, no tag of the protocol and no left-over markup."""
    return MASK not in text.casefold() and neutralise(text) == text and "|" not in text


def drawn_by_weight(spans: Sequence[Span], seed: str) -> list[Span]:
    """The spans in a random order that depends only on ``seed``; heavy spans tend to come first.

    Spans are drawn one after the other without replacement, with probabilities in proportion to their weights
    (Efraimidis and Spirakis, 2006). The weight is the paper's: the number of words or, for a span with digits, the
    largest number of words in the paragraph.
    """
    rng = random.Random(seed)
    largest = max((_count_words(span.surface) for span in spans), default=1)
    keyed = [(rng.random() ** (1 / _weight(span, largest)), span) for span in spans]
    return [span for _, span in sorted(keyed, key=lambda pair: (-pair[0], pair[1].start))]


def hardest_first(spans: Sequence[Span], nats: Mapping[Span, float]) -> list[Span]:
    """The spans that the reference model has weighed, the highest surprisal first."""
    return sorted((span for span in spans if span in nats), key=lambda span: (-nats[span], span.start))


def choose_spans(text: str, spans: Sequence[Span], n: int, *, max_share: float) -> list[Span] | None:
    """The first ``n`` distinct spans that fit, in order of the text; None if fewer spans fit.

    A span does not fit if it would raise the masked share of the characters above ``max_share``, or if only white
    space, a comma or "and" separates it from another: their answers could be exchanged. Nor does it fit with another
    term of its sentence, another member of an open list, or as a name with its place ("[mask] in [mask]"): each is the
    clue to the other.

    Args:
        spans: by preference, from `drawn_by_weight` or `hardest_first`.
    """
    chosen: list[Span] = []
    room = max_share * len(text)
    for span in spans:
        fits = sum(other.end - other.start for other in chosen) + span.end - span.start <= room
        if len(chosen) < n and fits and not any(_touch(text, span, other) for other in chosen):
            chosen.append(span)
    return sorted(chosen, key=lambda span: span.start) if len(chosen) == n else None


def mask(text: str, spans: Sequence[Span]) -> str:
    """The text with each span replaced by "[mask]"; spans are in order and do not overlap."""
    edges = [0, *(edge for span in spans for edge in (span.start, span.end)), len(text)]
    return MASK.join(text[start:end] for start, end in zip(edges[::2], edges[1::2], strict=True))


def _count_words(surface: str) -> int:
    """The number of words; in a script without spaces two characters count as one, the commonest length of a word."""
    return max(len(surface.split()), (count_unspaced(surface) + 1) // 2)


def _weight(span: Span, largest: int) -> int:
    has_digits = any(character.isdigit() for character in span.surface)
    return largest if has_digits else _count_words(span.surface)


def _touch(text: str, one: Span, other: Span) -> bool:
    """Whether two spans may not be masked together."""
    first, second = sorted((one, other), key=lambda span: span.start)
    between = text[first.end : second.start]
    if are_exchangeable(between):
        return True
    if _SENTENCE_END.search(between) is not None:
        return False
    if first.kind is SpanKind.TERM and second.kind is SpanKind.TERM:
        return True
    names = first.kind in _NAMED and second.kind in _NAMED
    lead = _SENTENCE_END.split(text[: first.start])[-1]
    return names and (_PLACE.fullmatch(between) is not None or are_of_one_list(lead, between))
