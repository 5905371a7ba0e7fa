"""What changed: facts that two snapshots of a wiki tell differently.

A fact has changed where a sentence of a page is, but for one span, a sentence of the same page in the earlier snapshot.
The question masks just that span. It is about now: what was learnt from the earlier snapshot is the wrong answer.
"""

from collections.abc import Iterator, Mapping, Sequence

from schemas.records import Change, Passage, Question, Reject, SpanKind
from tasks.corpus.sentences import sentences
from tasks.corpus.words import is_whole, words_of
from tasks.ramp.mentions import with_mentions
from tasks.ramp.spans import MAX_WORDS, Span, find_spans

KNOWN_BEFORE = "known_before"
"""The earlier index proves the new value too: who searches there would find it."""

Sentence = tuple[int, int, str]
"""``text[start:end]``."""


def changes_of_page(
    before: Sequence[Passage], now: Sequence[Passage], aliases: Mapping[str, list[str]], language: str
) -> Iterator[tuple[Passage, Span, Change]]:
    """The changed facts of one page, in order: each a span of a passage of ``now`` that may be masked."""
    if not before or not now or before[0].revision_id == now[0].revision_id:
        return
    told = {said for passage in before for _, _, said in _sentences(passage, language)}
    for passage, mentions in with_mentions(now, aliases):
        new = [sentence for sentence in _sentences(passage, language) if sentence[2] not in told]
        for span in find_spans(passage, aliases, language, mentions) if new else ():
            value = next(
                (value for sentence in new if (value := _value_before(span, sentence, told)) is not None), None
            )
            if value is not None:
                yield passage, span, _change(value, span, before[0], passage)


def answerable_now(now: Sequence[Question], then: Sequence[Question]) -> tuple[list[Question], list[Reject]]:
    """The questions as certified by the later index, without those that the earlier one answers as well.

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


def _value_before(span: Span, sentence: Sentence, told: set[str]) -> str | None:
    """What stood in the span's place, in an earlier sentence that is else the same; None where there is no such one."""
    start, end, said = sentence
    if not start <= span.start < span.end <= end:
        return None
    head, tail = said[: span.start - start], said[span.end - start :]
    for earlier in sorted(told):
        if len(earlier) > len(head) + len(tail) and earlier.startswith(head) and earlier.endswith(tail):
            value = earlier[len(head) : len(earlier) - len(tail)]
            if is_whole(earlier, len(head), len(head) + len(value)) and _is_of_kind(value, span):
                return value
    return None


def _is_of_kind(value: str, span: Span) -> bool:
    """A date or number is replaced by digits, a name by a few words; white space alone is no fact."""
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
