"""Passages → RAMP questions: a paragraph with 1 to 4 masks, to be written back whole."""

import random
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from enum import StrEnum
from itertools import groupby

from schemas.records import Mask, Passage, Question, Reject
from schemas.settings import RampSettings
from tasks.corpus.sentences import sentences
from tasks.ramp.masking import can_be_masked, choose_spans, mask
from tasks.ramp.spans import Span, find_spans, names_of
from tasks.ramp.splits import Splits

_CLOSED = re.compile(r"[.!?…。！？][\"'”’»)\]」』）]*$")


class Unfit(StrEnum):
    """Why a paragraph becomes no question."""

    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    NO_FULL_STOP = "no_full_stop"
    FEW_SENTENCES = "few_sentences"
    HOLDS_TAGS = "holds_tags"
    FEW_SPANS = "few_spans"


def questions_of(
    passage: Passage,
    aliases: Mapping[str, list[str]],
    splits: Splits,
    settings: RampSettings,
    language: str,
    mentions: Collection[str] = (),
) -> Iterator[Question | Reject]:
    """The questions of one passage, fewest masks first, or the reason why there are none. Evidence is not looked for.

    Args:
        aliases: redirects by the title of the page they lead to.
        mentions: anchors of the page's other passages (`find_spans`).
    """
    reason = _unfit(passage, settings, language)
    spans = [] if reason else find_spans(passage, aliases, language, mentions)
    carried = {n: chosen for n in sorted(set(settings.masks)) if (chosen := _choose(passage, spans, n, settings))}
    if not carried:
        yield _reject(passage, reason or Unfit.FEW_SPANS, f"{len(spans)} spans" if not reason else "")
    for n in _drawn(list(carried), passage.passage_id, settings):
        yield _question(passage, carried[n], aliases, splits, settings, language)


def questions_of_pages(
    passages: Iterable[Passage],
    aliases: Mapping[str, list[str]],
    splits: Splits,
    settings: RampSettings,
    language: str,
) -> Iterator[Question | Reject]:
    """`questions_of` all passages, those of a page in a row: what a page links once may be masked where named again."""
    for _, of_page in groupby(passages, key=lambda passage: passage.page_id):
        page = list(of_page)
        anchors = sorted({link.anchor for passage in page for link in passage.links})
        for passage in page:
            yield from questions_of(passage, aliases, splits, settings, language, anchors)


def _unfit(passage: Passage, settings: RampSettings, language: str) -> Unfit | None:
    if passage.n_words < settings.min_words:
        return Unfit.TOO_SHORT
    if passage.n_words > settings.max_words:
        return Unfit.TOO_LONG
    if not _CLOSED.search(passage.text):
        return Unfit.NO_FULL_STOP
    if not can_be_masked(passage.text):
        return Unfit.HOLDS_TAGS
    if len(sentences(passage.text, language)) < settings.min_sentences:
        return Unfit.FEW_SENTENCES
    return None


def _choose(passage: Passage, spans: list[Span], n: int, settings: RampSettings) -> list[Span] | None:
    if len(spans) < n:
        return None
    seed = f"{settings.seed} masks {passage.passage_id} {n}"
    return choose_spans(passage.text, spans, n, seed=seed, max_share=settings.max_masked_share)


def _drawn(carried: list[int], passage_id: str, settings: RampSettings) -> list[int]:
    """Which numbers of masks are asked, each of those that the paragraph can carry as likely as any other."""
    rng = random.Random(f"{settings.seed} numbers {passage_id}")
    return sorted(rng.sample(carried, min(settings.masks_per_paragraph, len(carried))))


def _question(
    passage: Passage,
    spans: list[Span],
    aliases: Mapping[str, list[str]],
    splits: Splits,
    settings: RampSettings,
    language: str,
) -> Question:
    masks = [_mask(span, aliases) for span in spans]
    masked_text = mask(passage.text, spans)
    return Question(
        snapshot=passage.snapshot,
        question_id=f"{passage.passage_id}-m{len(masks)}",
        kind="ramp",
        language=language,
        prompt=f"{passage.title}\n{masked_text}" if settings.show_title else masked_text,
        gold=[found.surface for found in masks],
        aliases=[found.aliases for found in masks],
        n_masks=len(masks),
        hops=0,
        split=splits.of_question(passage.page_id, passage.title, [span.target for span in spans]),
        source="ramp",
        page_id=passage.page_id,
        revision_id=passage.revision_id,
        passage_id=passage.passage_id,
        title=passage.title,
        text=passage.text,
        masked_text=masked_text,
        masks=masks,
        strategy="random",
    )


def _mask(span: Span, aliases: Mapping[str, list[str]]) -> Mask:
    return Mask(
        start=span.start,
        end=span.end,
        surface=span.surface,
        kind=span.kind,
        target=span.target,
        aliases=_equal_names(span, aliases),
        evidence=None,
    )


def _equal_names(span: Span, aliases: Mapping[str, list[str]]) -> list[str]:
    """Other names of the target, if the span is one: where "American" links to a country, they are no answer."""
    names = names_of(span.target, aliases) if span.target else []
    surface = span.surface.casefold()
    if surface not in {name.casefold() for name in names}:
        return []
    return [name for name in names if name.casefold() != surface]


def _reject(passage: Passage, reason: Unfit, detail: str) -> Reject:
    return Reject(snapshot=passage.snapshot, row_id=passage.passage_id, reason=reason, failed=False, detail=detail)
