"""Facts that differ between two snapshots of a wiki.

A fact has changed if a sentence of a page equals a sentence of the same page in the earlier snapshot except for one
span. The question masks this span and asks for the present value: a model that remembers the earlier value is wrong.
"""

from collections.abc import Iterator, Mapping, Sequence

from schemas.records import Change, Passage, Question, Reject, SpanKind
from tasks.corpus.sentences import sentences
from tasks.corpus.words import is_whole, words_of
from tasks.spans.mentions import with_mentions
from tasks.spans.spans import MAX_WORDS, Span, find_spans

KNOWN_BEFORE = "known_before"
"""The earlier index also proves the new value, so a search there would find it."""

Sentence = tuple[int, int, str]
"""``text[start:end]``."""


def changes_of_page(
    before: Sequence[Passage], now: Sequence[Passage], aliases: Mapping[str, list[str]], language: str
) -> Iterator[tuple[Passage, Span, Change]]:
    """The changed facts of one page, in order: each a span of a passage of ``now`` that may be masked."""
    if not before or not now or before[0].revision_id == now[0].revision_id:
        return
    known = {sentence for passage in before for _, _, sentence in _sentences(passage, language)}
    for passage, mentions in with_mentions(now, aliases):
        new = [sentence for sentence in _sentences(passage, language) if sentence[2] not in known]
        for span in find_spans(passage, aliases, language, mentions) if new else ():
            value = next(
                (value for sentence in new if (value := _value_before(span, sentence, known)) is not None), None
            )
            if value is not None:
                yield passage, span, _change(value, span, before[0], passage)


def answerable_now(now: Sequence[Question], then: Sequence[Question]) -> tuple[list[Question], list[Reject]]:
    """The questions as certified by the later index, without those that the earlier index also answers.

    Args:
        then: the same questions, certified by the earlier index.
    """
    rows, rejects = [], []
    for question, before in zip(now, then, strict=True):
        known = next((mask.evidence for mask in before.masks if mask.evidence is not None), None)
        if known is None:
            rows.append(question)
        else:
            rejects.append(_known_before(question, known.passage_id))
    return rows, rejects


def _known_before(question: Question, passage_id: str) -> Reject:
    return Reject(
        snapshot=question.snapshot, row_id=question.question_id, reason=KNOWN_BEFORE, failed=False, detail=passage_id
    )


def _sentences(passage: Passage, language: str) -> list[Sentence]:
    return [(start, end, passage.text[start:end]) for start, end in sentences(passage.text, language)]


def _value_before(span: Span, sentence: Sentence, known: set[str]) -> str | None:
    """The earlier value: what an earlier sentence has instead of the span, if it is otherwise the same; else None."""
    start, end, text = sentence
    if not start <= span.start < span.end <= end:
        return None
    head, tail = text[: span.start - start], text[span.end - start :]
    for earlier in sorted(known):
        if len(earlier) > len(head) + len(tail) and earlier.startswith(head) and earlier.endswith(tail):
            value = earlier[len(head) : len(earlier) - len(tail)]
            if is_whole(earlier, len(head), len(head) + len(value)) and _is_of_kind(value, span):
                return value
    return None


def _is_of_kind(value: str, span: Span) -> bool:
    """Whether a value can be of the span's kind: a date or number has digits, a name is a few words and not blank."""
    if not value.strip() or value.strip() == span.surface or len(words_of(value)) > MAX_WORDS:
        return False
    has_digits = any(map(str.isdigit, value))
    return has_digits or span.kind not in (SpanKind.DATE, SpanKind.NUMBER)


def _change(value: str, span: Span, before: Passage, now: Passage) -> Change:
    return Change(
        old=value,
        new=span.surface,
        old_snapshot=before.snapshot,
        old_revision_id=before.revision_id,
        new_revision_id=now.revision_id,
    )
