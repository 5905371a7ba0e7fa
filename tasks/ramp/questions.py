"""Passages → RAMP questions: paragraphs with 1 to 4 masks, which the answer fills in."""

import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from schemas.corpus_settings import MaskingSettings, ParagraphSettings
from schemas.records import Change, GivenAway, Mask, Passage, Proposals, Question, Reject, SpanKind, Surprisal
from tasks.corpus.sentences import sentences
from tasks.ramp.giveaways import flagged
from tasks.ramp.masking import can_be_masked, choose_spans, drawn_by_weight, hardest_first, mask
from tasks.ramp.splits import Splits
from tasks.ramp.surprisal import difficulty_of
from tasks.spans.mentions import Mentions, with_mentions
from tasks.spans.spans import Span, find_spans, names_of

# Quotation marks and brackets may close behind the full stop.
_CLOSED = re.compile(r"[.!?…。！？][\"'”’»)\]」』）]*$")


@dataclass(frozen=True)
class SpanFacts:
    """Facts from other stages about the spans of passages, by passage id; None without such a stage."""

    proposals: Mapping[str, Proposals] | None = None
    """Spans that a backend named; passages without named spans are absent."""
    surprisals: Mapping[str, Sequence[Surprisal]] | None = None
    """Surprisals of the spans that the reference model has weighed."""
    meanings: Mentions | None = None
    """By surface, the pages that a named span may be about; None where links tell them."""


NO_FACTS = SpanFacts()


def spans_of(
    passage: Passage,
    aliases: Mapping[str, list[str]],
    language: str,
    mentions: Mentions,
    proposals: Mapping[str, Proposals] | None,
) -> list[Span]:
    """The spans of a passage that may be masked, from links or from a backend's proposals."""
    if proposals is None:
        return find_spans(passage, aliases, language, mentions)
    proposed = proposals.get(passage.passage_id)
    return find_spans(passage, aliases, language, mentions, proposed) if proposed else []


class Unfit(StrEnum):
    """Reasons for which a paragraph gives no question."""

    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    NO_FULL_STOP = "no_full_stop"
    FEW_SENTENCES = "few_sentences"
    HOLDS_TAGS = "holds_tags"
    FEW_SPANS = "few_spans"
    NOT_WEIGHED = "not_weighed"  # spans are chosen by surprisal, and the paragraph is too long for the reference model


def questions_of(
    passage: Passage,
    aliases: Mapping[str, list[str]],
    splits: Splits,
    settings: MaskingSettings,
    language: str,
    mentions: Mentions = MappingProxyType({}),
    facts: SpanFacts = NO_FACTS,
) -> Iterator[Question | Reject]:
    """The questions of one passage without evidence, fewest masks first, or a reject with the reason for none.

    Args:
        passage: its links lead to pages, not to redirects.
        aliases: redirects by the title of the page they lead to.
        mentions: pages by the anchors of the page's links (`find_spans`).
        facts: facts from other stages about the passage's spans.
    """
    reason = unfit(passage, settings, language)
    if facts.meanings:
        mentions = {**facts.meanings, **mentions}
    spans = [] if reason else spans_of(passage, aliases, language, mentions, facts.proposals)
    strategy = _strategy(passage.passage_id, settings)
    weights = _weights(spans, (facts.surprisals or {}).get(passage.passage_id, ()))
    if strategy == "perplexity" and spans and not weights:
        reason = Unfit.NOT_WEIGHED
    carried = {
        n: chosen
        for n in sorted(set(settings.masks))
        if (chosen := _choose(passage, spans, n, settings, weights if strategy == "perplexity" else None))
    }
    if not carried:
        yield _reject(passage, reason or Unfit.FEW_SPANS, f"{len(spans)} spans" if not reason else "")
    for n in _drawn(list(carried), passage.passage_id, settings):
        question = _question(passage, carried[n], aliases, splits, settings, language)
        question = question.model_copy(update={"strategy": strategy})
        if facts.surprisals is not None:
            question = _with_difficulty(question, [weights.get(span) for span in carried[n]])
        yield flagged(question, passage.title if settings.show_title else None)


def changed_question(
    passage: Passage,
    span: Span,
    change: Change,
    aliases: Mapping[str, list[str]],
    splits: Splits,
    settings: MaskingSettings,
    language: str,
) -> Question:
    """The question about a fact that was different in an earlier snapshot, with one mask on the new value."""
    question = _question(passage, [span], aliases, splits, settings, language)
    marked = {"question_id": f"{passage.passage_id}-c{span.start}", "source": "changed", "change": change}
    return flagged(question.model_copy(update=marked), passage.title if settings.show_title else None)


def questions_of_pages(
    passages: Iterable[Passage],
    aliases: Mapping[str, list[str]],
    splits: Splits,
    settings: MaskingSettings,
    language: str,
    facts: SpanFacts = NO_FACTS,
) -> Iterator[Question | Reject]:
    """`questions_of` for all passages; the passages of a page must be consecutive."""
    for passage, mentions in with_mentions(passages, aliases):
        yield from questions_of(passage, aliases, splits, settings, language, mentions, facts)


def unfit(passage: Passage, settings: ParagraphSettings, language: str) -> Unfit | None:
    """The reason for which a paragraph is unfit for questions, whatever its spans; None if it is fit."""
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


def with_proven_terms(questions: Iterable[Question]) -> Iterator[Question | Reject]:
    """The certified questions; a question that masks an unproven term becomes a reject.

    A name, a date or a number is a fact even without evidence. Instead of a term another common noun may be as right,
    unless a passage proves the term.
    """
    for question in questions:
        unproven = [mask.surface for mask in question.masks if mask.kind == SpanKind.TERM and mask.evidence is None]
        yield _unproven(question, unproven) if unproven else question


def _unproven(question: Question, terms: Sequence[str]) -> Reject:
    return Reject(
        snapshot=question.snapshot,
        row_id=question.question_id,
        reason="unproven_term",
        failed=False,
        detail="; ".join(terms),
    )


def _strategy(passage_id: str, settings: MaskingSettings) -> str:
    """The strategy of a paragraph, the same for every number of masks. It is drawn if strategies are mixed."""
    if settings.strategy != "mixed":
        return settings.strategy
    draw = random.Random(f"{settings.seed} strategy {passage_id}").random()
    return "perplexity" if draw < settings.perplexity_share else "random"


def _weights(spans: Iterable[Span], surprisals: Iterable[Surprisal]) -> dict[Span, Surprisal]:
    by_offsets = {(row.start, row.end): row for row in surprisals}
    return {span: by_offsets[span.start, span.end] for span in spans if (span.start, span.end) in by_offsets}


def _choose(
    passage: Passage, spans: list[Span], n: int, settings: MaskingSettings, weights: Mapping[Span, Surprisal] | None
) -> list[Span] | None:
    """Chosen by surprisal if there are weights, otherwise at random."""
    if weights is None:
        ordered = drawn_by_weight(spans, f"{settings.seed} masks {passage.passage_id} {n}")
    else:
        ordered = hardest_first(spans, {span: found.nats for span, found in weights.items()})
    return choose_spans(passage.text, ordered, n, max_share=settings.max_masked_share)


def _drawn(carried: list[int], passage_id: str, settings: MaskingSettings) -> list[int]:
    """The numbers of masks of the paragraph's questions, drawn with equal chances from the possible numbers."""
    rng = random.Random(f"{settings.seed} numbers {passage_id}")
    return sorted(rng.sample(carried, min(settings.masks_per_paragraph, len(carried))))


def _with_difficulty(question: Question, weights: Sequence[Surprisal | None]) -> Question:
    """The question with each mask's surprisal, their mean, and a flag on masks that the reference model knows."""
    masks = [
        found.model_copy(
            update={
                "surprisal": weight.nats if weight else None,
                "given_away": [GivenAway.REFERENCE.value] if weight and weight.known else [],
            }
        )
        for found, weight in zip(question.masks, weights, strict=True)
    ]
    difficulty = difficulty_of([found.surprisal for found in masks])
    return question.model_copy(update={"masks": masks, "difficulty": difficulty})


def _question(
    passage: Passage,
    spans: list[Span],
    aliases: Mapping[str, list[str]],
    splits: Splits,
    settings: MaskingSettings,
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
        split=splits.of_question(passage.page_id, passage.title, [title for span in spans for title in span.pages]),
        source="ramp",
        page_id=passage.page_id,
        revision_id=passage.revision_id,
        passage_id=passage.passage_id,
        title=passage.title,
        text=passage.text,
        masked_text=masked_text,
        masks=masks,
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
    """Other names of the target if the span is one of its names; none if "American" links to a country."""
    names = names_of(span.target, aliases) if span.target else []
    surface = span.surface.casefold()
    if surface not in {name.casefold() for name in names}:
        return []
    return [name for name in names if name.casefold() != surface]


def _reject(passage: Passage, reason: Unfit, detail: str) -> Reject:
    return Reject(snapshot=passage.snapshot, row_id=passage.passage_id, reason=reason, failed=False, detail=detail)
