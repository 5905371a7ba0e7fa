"""The spans of a paragraph that may be masked: linked names and terms, dates, numbers.

Candidates are links, later mentions of links, dates and numbers, or the spans that another backend proposed
(`tasks.spans.proposals`). Of overlapping candidates the longest stays. `_RULES` then refuse candidates that the
paragraph reveals, that are cut, or that have no definite answer. No rule needs a model.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType

from schemas.records import Passage, Proposals, SpanKind
from tasks.corpus.sentences import sentences
from tasks.corpus.words import (
    CAPITAL_NOUNS,
    FUNCTION_WORDS,
    PREPOSITIONS,
    Name,
    are_kin,
    bare_title,
    begins_as_name,
    has_unspaced,
    initials,
    is_acronym,
    is_inside_name,
    is_whole,
    main_words,
    names_in,
    occurrences,
    plain_words,
    spelled_out,
    word_before,
    words_of,
)
from tasks.spans import patterns
from tasks.spans.alike import is_revealed_by_other_name
from tasks.spans.arithmetic import is_revealed_by_dates, is_revealed_by_digits, is_revealed_by_sum
from tasks.spans.lists import is_listed
from tasks.spans.mentions import Mentions
from tasks.spans.vague import is_vague
from tasks.spans.word_forms import (
    is_revealed_by_compound,
    is_revealed_by_other_form,
    is_revealed_by_short_form,
    is_revealed_by_words,
)

MAX_WORDS = 10
"""Longer anchors are phrases, not names."""
MIN_RARE_LETTERS = 11
"""Shortest single lower-case word that is a term: short words are common words (Zipf's law of abbreviation)."""

_NAME_MARKS = re.compile(r"[·•A-Za-z]")
"""Marks of a name in a script without capitals, which a term does not have: a dot between names, a Latin letter."""

# Before a date: the date is when the text was written, which no passage proves.
_AS_OF = re.compile(r"\b[Aa]s (?:of|at) \Z|\bStand:? \Z|截至\Z")
# Characters that pair up or are markup: a mask with one half of a pair would leave the other half in the text.
_UNCLEAN = re.compile(r"[\n\[\]()<>{}|\"“”„«»]")
# A stop or colon, closing quotes or brackets, space, and possibly an opening quote or bracket of the next sentence.
_SENTENCE_BEFORE = re.compile(r"(?:[.!?:][\"'”’)\]]*\s+)[\"'“‘(\[]?\Z")


@dataclass(frozen=True, slots=True)
class Span:
    """``text[start:end] == surface``. ``target`` is the page that the span's own link names; None without a link."""

    start: int
    end: int
    surface: str
    kind: SpanKind
    target: str | None
    may_mean: tuple[str, ...] = ()
    """Other pages that the span may be about: too uncertain for scoring, but enough to hold a question out."""

    @property
    def pages(self) -> tuple[str, ...]:
        """The page that the span is about, if known, and the pages that it may be about."""
        return self.may_mean if self.target is None else (self.target, *self.may_mean)


class Refusal(StrEnum):
    """Reasons for which a span is never masked."""

    UNCLEAN = "unclean"  # it has brackets or quotation marks, or no letter or digit
    CUT = "cut"  # a part of a word, of a compound, of a longer number
    SEVERAL = "several"  # its paragraph has it more than once
    TITLE = "title"  # it reveals or is revealed by the page's title
    LOST = "lost"  # something was removed from its sentence
    LISTED = "listed"  # a member of a list
    SHORTER = "shorter"  # "Albert Einstein" beside "Einstein"
    KIN = "kin"  # "Greek" beside "Greeks"
    INITIALS = "initials"  # "NIOSH" beside its long name
    OTHER_WORDS = "other_words"  # revealed by other words or numbers
    VAGUE = "vague"  # other answers would be as right
    NOT_ASKED = "not_asked"  # not a name, a common term, one side of a conversion, a part of a name


def find_spans(
    passage: Passage,
    aliases: Mapping[str, list[str]],
    language: str,
    mentions: Mentions = MappingProxyType({}),
    proposed: Proposals | None = None,
) -> list[Span]:
    """The spans of a passage that may be masked, in order; they do not overlap, and each surface occurs once.

    Args: as of `judged_spans`.
    """
    judged = judged_spans(passage, aliases, language, mentions, proposed)
    return [span for span, refusal in judged if refusal is None]


def judged_spans(
    passage: Passage,
    aliases: Mapping[str, list[str]],
    language: str,
    mentions: Mentions = MappingProxyType({}),
    proposed: Proposals | None = None,
) -> list[tuple[Span, Refusal | None]]:
    """The candidates of a passage in order, each with the reason for which it is never masked, or None.

    Of overlapping candidates only the longest is included.

    Args:
        passage: its links lead to pages, not to redirects (`tasks.spans.mentions.with_mentions`).
        aliases: redirects by the title of the page they lead to.
        mentions: anchors of the page's other passages, because a page links a name once and may repeat it here. Such a
            mention may be masked, but has no target, because it is not certain which page it means.
        proposed: spans that another backend named, instead of links, dates and numbers.
    """
    paragraph = _Paragraph(passage, aliases, language)
    if proposed is None:
        candidates = _candidates(passage, language, mentions)
    else:
        candidates = _proposed(passage, proposed, mentions)
    return [(span, _refusal(paragraph, span)) for span in _apart(candidates)]


def names_of(target: str, aliases: Mapping[str, list[str]]) -> list[str]:
    """The names of a page: its title and its redirects, without disambiguation."""
    return list(dict.fromkeys(map(bare_title, [target, *aliases.get(target, [])])))


# -- candidates -----------------------------------------------------------------------------------------------------


def _candidates(passage: Passage, language: str, mentions: Mentions) -> Iterator[Span]:
    text = passage.text
    dated = set(patterns.dates(text, language))
    for link in passage.links:
        kind = SpanKind.DATE if (link.start, link.end) in dated else _kind_of_link(text, link.start, link.end, language)
        yield Span(link.start, link.end, link.anchor, kind, link.target)
    for start, end in dated:
        yield Span(start, end, text[start:end], SpanKind.DATE, None)
    for start, end in patterns.numbers(text, language):
        yield Span(start, end, text[start:end], SpanKind.NUMBER, None)
    for anchor, pages in mentions.items():
        start = text.find(anchor) if len(anchor) > 2 else -1
        if start >= 0 and _is_mention(text, start, start + len(anchor), language):
            yield Span(start, start + len(anchor), anchor, SpanKind.ENTITY, None, pages)


def _proposed(passage: Passage, proposed: Proposals, mentions: Mentions) -> Iterator[Span]:
    """The proposed spans. A span that overlaps a link has the link's target, so that held-out pages are recognised."""
    for named in proposed.spans:
        targets = [link.target for link in passage.links if link.start < named.end and named.start < link.end]
        may_mean = (*targets[1:], *mentions.get(named.surface, ()))
        yield Span(named.start, named.end, named.surface, SpanKind(named.kind), next(iter(targets), None), may_mean)


def _is_mention(text: str, start: int, end: int, language: str) -> bool:
    """Whether a repeated anchor is a whole name that does not begin a sentence, where searches for other masks begin.

    Without spaces it is unknown whether the name ends here. If a language writes nouns with capitals, one word is not
    certainly a name.
    """
    anchor = text[start:end]
    if has_unspaced(anchor) or (language in CAPITAL_NOUNS and " " not in anchor):
        return False
    is_name = _kind_of_link(text, start, end, language) is SpanKind.ENTITY and not _begins_sentence(text, start)
    return is_name and is_whole(text, start, end) and not is_inside_name(text, start, end, language)


def _begins_sentence(text: str, start: int) -> bool:
    return start == 0 or _SENTENCE_BEFORE.search(text, max(0, start - 6), start) is not None


def _kind_of_link(text: str, start: int, end: int, language: str) -> SpanKind:
    """The kind of a link's anchor. A name has a capital letter that is not due to the beginning of a sentence.

    In a language with capitals on all nouns one word counts as a term. So does an anchor that a script without capitals
    does not mark as a name. A possible common noun is thus masked only with proof
    (`tasks.ramp.questions.with_proven_terms`).
    """
    anchor = text[start:end]
    if re.fullmatch(r"[\d.,]+", anchor):
        return SpanKind.NUMBER
    if has_unspaced(anchor):
        is_work = text[start - 1 : start] in ("《", "〈", "「", "“")
        return SpanKind.ENTITY if is_work or _NAME_MARKS.search(anchor) else SpanKind.TERM
    if language in CAPITAL_NOUNS and re.fullmatch(r"[^\W\d_]+", anchor) and not anchor.isupper():
        return SpanKind.TERM
    if language == "en" and re.search(r" [a-z]+\Z", anchor):
        return SpanKind.TERM  # "German culture": a name would end in a capitalised word
    letters = anchor[1:] if _begins_sentence(text, start) else anchor
    return SpanKind.ENTITY if any(map(str.isupper, letters)) else SpanKind.TERM


def _apart(candidates: Iterator[Span]) -> list[Span]:
    """The candidates without overlaps, in order of the text: the longest stays, and of equals one with a target."""
    taken: list[Span] = []
    for span in sorted(candidates, key=lambda span: (span.start - span.end, span.target is None, span.start)):
        if span.end > span.start and all(span.end <= other.start or other.end <= span.start for other in taken):
            taken.append(span)
    return sorted(taken, key=lambda span: span.start)


# -- rules ----------------------------------------------------------------------------------------------------------


class _Paragraph:
    """The rules of masking on one passage: each method says whether a span breaks its rule."""

    def __init__(self, passage: Passage, aliases: Mapping[str, list[str]], language: str) -> None:
        self._passage = passage
        self._aliases = aliases
        self._language = language

    def is_unclean(self, span: Span) -> bool:
        """White space at an edge, a bracket, quotation mark or tag that a mask would break, or no letter or digit."""
        surface = span.surface
        is_plain = surface == surface.strip() and _UNCLEAN.search(surface) is None
        return not (is_plain and any(map(str.isalnum, surface)))

    def is_cut(self, span: Span) -> bool:
        return not is_whole(self._passage.text, span.start, span.end)

    def is_repeated(self, span: Span) -> bool:
        return occurrences(self._passage.text, span.surface) != 1

    def reveals_title(self, span: Span) -> bool:
        """The title, a part of it, another name of the page, or a name with a main word of the title."""
        title = self._passage.title
        own = {name.casefold() for name in names_of(title, self._aliases)}
        if span.surface.casefold() in own or (span.target is not None and span.target.casefold() == title.casefold()):
            return True
        if has_unspaced(span.surface):
            bare = bare_title(title)
            return span.surface in bare or bare in span.surface
        of_title = main_words(title, self._language)
        return any(are_kin(word, other) for word in plain_words(span.surface) for other in of_title)

    @cached_property
    def _sentences(self) -> list[tuple[int, int]]:
        return sentences(self._passage.text, self._language)

    @cached_property
    def _lost_sentences(self) -> list[tuple[int, int]]:
        lost = [mark.start for mark in self._passage.lost]
        return [(start, end) for start, end in self._sentences if any(start <= offset <= end for offset in lost)]

    def is_lost(self, span: Span) -> bool:
        """The sentence has lost something, so the rest may be unreadable or untrue."""
        return any(start < span.end and span.start < end for start, end in self._lost_sentences)

    def _sentence_of(self, span: Span) -> tuple[int, int]:
        around = ((start, end) for start, end in self._sentences if start <= span.start and span.end <= end)
        return next(around, (0, len(self._passage.text)))

    def is_one_of_list(self, span: Span) -> bool:
        """The span is a member of a list, whose members could be exchanged: the text does not ask for this one."""
        start, end = self._sentence_of(span)
        return is_listed(self._passage.text[start:end], span.start - start, span.end - start)

    @cached_property
    def _names(self) -> list[tuple[Name, frozenset[str]]]:
        names = names_in(self._passage.text, self._language)
        return [(name, frozenset(words_of(name.surface))) for name in names]

    def is_revealed_by_shorter_name(self, span: Span) -> bool:
        """The text has a shorter form of the name elsewhere: "Einstein" for "Albert Einstein"."""
        words = frozenset(words_of(span.surface))
        return span.kind is SpanKind.ENTITY and any(
            shorter < words and (name.end <= span.start or span.end <= name.start) for name, shorter in self._names
        )

    @cached_property
    def _plain_words(self) -> list[str]:
        return plain_words(self._passage.text)

    def is_revealed_by_kin(self, span: Span) -> bool:
        """The text has another form of a one-word name or term elsewhere: "Greeks" for "Greek"."""
        words = plain_words(span.surface)
        if span.kind not in (SpanKind.ENTITY, SpanKind.TERM) or len(words) != 1:
            return False
        own = words[0]
        kin = [word for word in self._plain_words if word.startswith(own) or (len(word) > 3 and own.startswith(word))]
        return len(own) > 3 and len(kin) > 1

    def is_revealed_by_initials(self, span: Span) -> bool:
        """The text has the long name of an acronym, "NIOSH", or the acronym of a long name."""
        if span.kind is SpanKind.ENTITY and is_acronym(span.surface):
            return span.surface in spelled_out(self._passage.text, self._language)
        short = initials(span.surface, self._language)
        return any(is_acronym(form) and re.search(rf"\b{form}\b", self._passage.text) for form in short)

    def is_revealed_by_other_words(self, span: Span) -> bool:
        """The text has a form of the words, a similar name, a country's people, a compound, or numbers that give it."""
        before, behind = self._passage.text[: span.start], self._passage.text[span.end :]
        rest = f"{before} {behind}"
        if span.kind is SpanKind.NUMBER:
            rules = (is_revealed_by_digits, is_revealed_by_sum)
            return any(is_revealed(span.surface, rest, self._language) for is_revealed in rules)
        if span.kind is SpanKind.DATE:
            return is_revealed_by_dates(span.surface, before, behind)
        if has_unspaced(span.surface):
            return False
        if is_revealed_by_short_form(span.surface, before, behind):
            return True
        around = frozenset(plain_words(rest))
        return (
            occurrences(rest, f"{span.surface}s") > 0
            or is_revealed_by_words(span.surface, around, self._language)
            or (span.kind is SpanKind.ENTITY and is_revealed_by_other_name(span.surface, rest, self._language))
            or (self._language == "en" and is_revealed_by_other_form(span.surface, around))
            or (self._language in CAPITAL_NOUNS and is_revealed_by_compound(span.surface, around))
        )

    def is_vague(self, span: Span) -> bool:
        """Other answers would be as right: a century or decade, a plan, the end of a range, "and other devices"."""
        text, (start, end) = self._passage.text, self._sentence_of(span)
        before, behind = text[: span.start], text[span.end :]
        return is_vague(span.kind, span.surface, text[start:end], before, behind, self._language)

    @cached_property
    def _converted(self) -> list[tuple[int, int]]:
        return patterns.conversions(self._passage.text, self._language)

    def is_not_asked(self, span: Span) -> bool:
        return not self._is_worth_asking(span)

    def _is_worth_asking(self, span: Span) -> bool:
        if span.kind is SpanKind.TERM:
            return self._is_term(span)
        if span.kind is SpanKind.ENTITY:
            is_short = len(span.surface) > 1 and len(words_of(span.surface)) <= MAX_WORDS
            return is_short and (begins_as_name(span.surface, self._language) or self._is_called(span))
        converted = any(start < span.end and span.start < end for start, end in self._converted)
        tells_when_written = _AS_OF.search(self._passage.text, max(0, span.start - 8), span.start) is not None
        return not converted and not tells_when_written and not self._is_part_of_name(span)

    def _is_part_of_name(self, span: Span) -> bool:
        """The span is part of a name: "1998 World Cup", "Apollo 11".

        With a preposition before it, a name behind it is separate: "in 1998 Ostel grew".
        """
        text, language = self._passage.text, self._language
        is_after_preposition = word_before(text, span.start).casefold() in PREPOSITIONS.get(language, frozenset())
        end = len(text) if is_after_preposition else span.end
        return is_inside_name(text, span.start, end, language)

    def _is_term(self, span: Span) -> bool:
        """Whether a term is several words or a rare word. The anchor of a link must also be a name of its page."""
        if span.target is not None and not self._is_called(span):
            return False
        words = words_of(span.surface)
        if has_unspaced(span.surface):
            return len(span.surface) > 1
        if len(words) == 1:
            return self._language in CAPITAL_NOUNS or len(span.surface) >= MIN_RARE_LETTERS
        return len(words) <= MAX_WORDS and words[0] not in FUNCTION_WORDS.get(self._language, frozenset())

    def _is_called(self, span: Span) -> bool:
        """Whether a link's anchor is a name of its page; "his assassination in April 1865" is not."""
        if span.target is None:
            return False
        surface = span.surface.casefold()
        called = {name.casefold() for name in names_of(span.target, self._aliases)}
        return surface in called or surface.removesuffix("s") in called


_RULES: tuple[tuple[Refusal, Callable[[_Paragraph, Span], bool]], ...] = (
    (Refusal.UNCLEAN, _Paragraph.is_unclean),
    (Refusal.CUT, _Paragraph.is_cut),
    (Refusal.SEVERAL, _Paragraph.is_repeated),
    (Refusal.TITLE, _Paragraph.reveals_title),
    (Refusal.LOST, _Paragraph.is_lost),
    (Refusal.LISTED, _Paragraph.is_one_of_list),
    (Refusal.SHORTER, _Paragraph.is_revealed_by_shorter_name),
    (Refusal.KIN, _Paragraph.is_revealed_by_kin),
    (Refusal.INITIALS, _Paragraph.is_revealed_by_initials),
    (Refusal.OTHER_WORDS, _Paragraph.is_revealed_by_other_words),
    (Refusal.VAGUE, _Paragraph.is_vague),
    (Refusal.NOT_ASKED, _Paragraph.is_not_asked),
)
"""Cheap rules first: a span is refused for the first rule that it breaks."""


def _refusal(paragraph: _Paragraph, span: Span) -> Refusal | None:
    return next((refusal for refusal, breaks in _RULES if breaks(paragraph, span)), None)
