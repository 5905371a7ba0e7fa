"""What of a paragraph may be masked: names and terms that are linked, dates, numbers.

Every link, later mention of a link, date and number is a candidate, or whatever another backend proposed
(`tasks.ramp.proposals`); of those that overlap the longest stays; and `_RULES` then refuse what would be given away,
cut, or unanswerable. Nothing here needs a model.
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
from tasks.ramp import patterns
from tasks.ramp.alike import is_told_by_other_name
from tasks.ramp.arithmetic import is_told_by_dates, is_told_by_figure, is_told_by_sum
from tasks.ramp.lists import is_listed
from tasks.ramp.mentions import Mentions
from tasks.ramp.told import is_told_by_compound, is_told_by_other_form, is_told_by_short_form, is_told_by_words
from tasks.ramp.vague import is_vague

MAX_WORDS = 10
"""Longer anchors are phrases, not names."""
MIN_RARE_LETTERS = 11
"""A linked lower-case word alone is a term only if so long: the shorter, the commoner (Zipf's law of abbreviation)."""

_NAME_MARKS = re.compile(r"[·•A-Za-z]")
"""What a name in a script without capitals may have, and a term has not: a dot between names, a Latin letter."""

_AS_OF = re.compile(r"\b[Aa]s (?:of|at) \Z|\bStand:? \Z|截至\Z")
_CAPITAL_NOUNS = frozenset({"de", "lb"})
_UNCLEAN = re.compile(r"[\n\[\]()<>{}|\"“”„«»]")
_SENTENCE_BEFORE = re.compile(r"(?:[.!?:][\"'”’)\]]*\s+)[\"'“‘(\[]?\Z")


@dataclass(frozen=True, slots=True)
class Span:
    """``text[start:end] == surface``. ``target`` is the page that the span's own link names; None where it has none."""

    start: int
    end: int
    surface: str
    kind: SpanKind
    target: str | None
    may_mean: tuple[str, ...] = ()
    """Other pages that it may be about: too unsure to score by, and sure enough to hold a question out."""

    @property
    def pages(self) -> tuple[str, ...]:
        """The page that it is about, as far as that is known, and those that it may be about."""
        return self.may_mean if self.target is None else (self.target, *self.may_mean)


class Refusal(StrEnum):
    """Why a span is never masked."""

    UNCLEAN = "unclean"  # brackets or quotation marks in it, or nothing else
    CUT = "cut"  # a part of a word, of a compound, of a longer number
    SEVERAL = "several"  # it stands in its paragraph more than once
    TITLE = "title"
    LOST = "lost"  # something was removed from its sentence
    LISTED = "listed"
    SHORTER = "shorter"  # "Albert Einstein" beside "Einstein"
    KIN = "kin"  # "Greek" beside "Greeks"
    INITIALS = "initials"
    OTHER_WORDS = "other_words"
    VAGUE = "vague"
    NOT_ASKED = "not_asked"  # no name, a common term, one side of a conversion, a part of a name


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
    """Every candidate of a passage that no longer one overlaps, in order, and why it is never masked, if it is not.

    Args:
        passage: its links lead to pages, not to redirects (`tasks.ramp.mentions.with_mentions`).
        aliases: redirects by the title of the page they lead to.
        mentions: anchors of the page's other passages: a page links a name once, and may name it again here. Such a
            mention may be masked, but which page it means is not certain: it has no target.
        proposed: what another backend named in the passage, in place of links, dates and numbers.
    """
    paragraph = _Paragraph(passage, aliases, language)
    if proposed is None:
        candidates = _candidates(passage, language, mentions)
    else:
        candidates = _proposed(passage, proposed, mentions)
    return [(span, _refusal(paragraph, span)) for span in _apart(candidates)]


def names_of(target: str, aliases: Mapping[str, list[str]]) -> list[str]:
    """The names that a page is known by: its title and its redirects, without disambiguation."""
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
        place = text.find(anchor) if len(anchor) > 2 else -1
        if place >= 0 and _is_mention(text, place, place + len(anchor), language):
            yield Span(place, place + len(anchor), anchor, SpanKind.ENTITY, None, pages)


def _proposed(passage: Passage, proposed: Proposals, mentions: Mentions) -> Iterator[Span]:
    """A span that meets a link has its target: which pages are held out must be known, whoever names the span."""
    for found in proposed.spans:
        met = [link.target for link in passage.links if link.start < found.end and found.start < link.end]
        may_mean = (*met[1:], *mentions.get(found.surface, ()))
        yield Span(found.start, found.end, found.surface, SpanKind(found.kind), next(iter(met), None), may_mean)


def _is_mention(text: str, start: int, end: int, language: str) -> bool:
    """A whole name that stands again; but not where it begins a sentence: from there a search for the others begins.

    Without spaces nothing tells whether a name ends there; where nouns have capitals, one word is not surely a name.
    """
    anchor = text[start:end]
    if has_unspaced(anchor) or (language in _CAPITAL_NOUNS and " " not in anchor):
        return False
    is_name = _kind_of_link(text, start, end, language) is SpanKind.ENTITY and not _begins_sentence(text, start)
    return is_name and is_whole(text, start, end) and not is_inside_name(text, start, end, language)


def _begins_sentence(text: str, start: int) -> bool:
    return start == 0 or _SENTENCE_BEFORE.search(text, max(0, start - 6), start) is not None


def _kind_of_link(text: str, start: int, end: int, language: str) -> SpanKind:
    """A name has a capital letter that does not come from the beginning of a sentence.

    Where all nouns have capitals one word is taken for a term, and so is what a script without capitals does not mark
    as a name: what may be a common noun is asked only with a proof (`tasks.ramp.questions.with_proven_terms`).
    """
    anchor = text[start:end]
    if re.fullmatch(r"[\d.,]+", anchor):
        return SpanKind.NUMBER
    if has_unspaced(anchor):
        is_work = text[start - 1 : start] in ("《", "〈", "「", "“")
        return SpanKind.ENTITY if is_work or _NAME_MARKS.search(anchor) else SpanKind.TERM
    if language in _CAPITAL_NOUNS and re.fullmatch(r"[^\W\d_]+", anchor) and not anchor.isupper():
        return SpanKind.TERM
    if language == "en" and re.search(r" [a-z]+\Z", anchor):
        return SpanKind.TERM  # "German culture", where a name would end in a capitalised word
    telling = anchor[1:] if _begins_sentence(text, start) else anchor
    return SpanKind.ENTITY if any(map(str.isupper, telling)) else SpanKind.TERM


def _apart(candidates: Iterator[Span]) -> list[Span]:
    """Of candidates that overlap the longest; of equal ones that with a target. In order of the text."""
    taken: list[Span] = []
    for span in sorted(candidates, key=lambda span: (span.start - span.end, span.target is None, span.start)):
        if span.end > span.start and all(span.end <= other.start or other.end <= span.start for other in taken):
            taken.append(span)
    return sorted(taken, key=lambda span: span.start)


# -- rules ----------------------------------------------------------------------------------------------------------


class _Paragraph:
    """What one passage tells of its spans: each rule says whether a span breaks it."""

    def __init__(self, passage: Passage, aliases: Mapping[str, list[str]], language: str) -> None:
        self._passage = passage
        self._aliases = aliases
        self._language = language

    def is_unclean(self, span: Span) -> bool:
        """A border of white space, or a bracket, quotation mark or tag that a mask would confuse."""
        surface = span.surface
        is_plain = surface == surface.strip() and _UNCLEAN.search(surface) is None
        return not (is_plain and any(map(str.isalnum, surface)))

    def is_cut(self, span: Span) -> bool:
        return not is_whole(self._passage.text, span.start, span.end)

    def is_told_again(self, span: Span) -> bool:
        return occurrences(self._passage.text, span.surface) != 1

    def tells_title(self, span: Span) -> bool:
        """The title, a part of it, another name of the page, or a name with a main word of the title."""
        title = self._passage.title
        own = {name.casefold() for name in names_of(title, self._aliases)}
        if span.surface.casefold() in own or (span.target is not None and span.target.casefold() == title.casefold()):
            return True
        if has_unspaced(span.surface):
            bare = bare_title(title)
            return span.surface in bare or bare in span.surface
        told = main_words(title, self._language)
        return any(are_kin(word, of_title) for word in plain_words(span.surface) for of_title in told)

    @cached_property
    def _sentences(self) -> list[tuple[int, int]]:
        return sentences(self._passage.text, self._language)

    @cached_property
    def _lost_sentences(self) -> list[tuple[int, int]]:
        lost = [mark.start for mark in self._passage.lost]
        return [(start, end) for start, end in self._sentences if any(start <= place <= end for place in lost)]

    def is_lost(self, span: Span) -> bool:
        """In a sentence from which something was removed: what is left may not read, or not be true."""
        return any(start < span.end and span.start < end for start, end in self._lost_sentences)

    def _sentence_of(self, span: Span) -> tuple[int, int]:
        around = ((start, end) for start, end in self._sentences if start <= span.start and span.end <= end)
        return next(around, (0, len(self._passage.text)))

    def is_one_of_list(self, span: Span) -> bool:
        """One of a list, whose members could change places: nothing in sight asks for this one."""
        start, end = self._sentence_of(span)
        return is_listed(self._passage.text[start:end], span.start - start, span.end - start)

    @cached_property
    def _names(self) -> list[tuple[Name, frozenset[str]]]:
        names = names_in(self._passage.text, self._language)
        return [(name, frozenset(words_of(name.surface))) for name in names]

    def is_told_shorter(self, span: Span) -> bool:
        """A shorter form of the name stands elsewhere: "Einstein", where "Albert Einstein" would be masked."""
        words = frozenset(words_of(span.surface))
        return span.kind is SpanKind.ENTITY and any(
            shorter < words and (name.end <= span.start or span.end <= name.start) for name, shorter in self._names
        )

    @cached_property
    def _plain_words(self) -> list[str]:
        return plain_words(self._passage.text)

    def is_told_by_kin(self, span: Span) -> bool:
        """Another form of a one-word name or term stands elsewhere: "Greeks", where "Greek" would be masked."""
        words = plain_words(span.surface)
        if span.kind not in (SpanKind.ENTITY, SpanKind.TERM) or len(words) != 1:
            return False
        own = words[0]
        kin = [word for word in self._plain_words if word.startswith(own) or (len(word) > 3 and own.startswith(word))]
        return len(own) > 3 and len(kin) > 1

    def is_told_by_initials(self, span: Span) -> bool:
        """ "NIOSH" stands beside its long name, or the long name beside it."""
        if span.kind is SpanKind.ENTITY and is_acronym(span.surface):
            return span.surface in spelled_out(self._passage.text, self._language)
        short = initials(span.surface, self._language)
        return any(is_acronym(form) and re.search(rf"\b{form}\b", self._passage.text) for form in short)

    def is_told_in_other_words(self, span: Span) -> bool:
        """By its words in another form, another name, a country's people, as part of a compound, by other figures."""
        before, behind = self._passage.text[: span.start], self._passage.text[span.end :]
        rest = f"{before} {behind}"
        if span.kind is SpanKind.NUMBER:
            rules = (is_told_by_figure, is_told_by_sum)
            return any(is_told(span.surface, rest, self._language) for is_told in rules)
        if span.kind is SpanKind.DATE:
            return is_told_by_dates(span.surface, before, behind)
        if has_unspaced(span.surface):
            return False
        if is_told_by_short_form(span.surface, before, behind):
            return True
        around = frozenset(plain_words(rest))
        return (
            occurrences(rest, f"{span.surface}s") > 0
            or is_told_by_words(span.surface, around, self._language)
            or (span.kind is SpanKind.ENTITY and is_told_by_other_name(span.surface, rest, self._language))
            or (self._language == "en" and is_told_by_other_form(span.surface, around))
            or (self._language in _CAPITAL_NOUNS and is_told_by_compound(span.surface, around))
        )

    def is_vague(self, span: Span) -> bool:
        """Others would be as right: a century or decade, a plan, the end of a range, "and other devices"."""
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
        """ "1998 World Cup" and "Apollo 11", but not "in 1998 Ostel grew": there a preposition stands before it."""
        text, language = self._passage.text, self._language
        is_after_preposition = word_before(text, span.start).casefold() in PREPOSITIONS.get(language, frozenset())
        end = len(text) if is_after_preposition else span.end
        return is_inside_name(text, span.start, end, language)

    def _is_term(self, span: Span) -> bool:
        """Several words or a rare one; and a link must be called what its page is called."""
        if span.target is not None and not self._is_called(span):
            return False
        words = words_of(span.surface)
        if has_unspaced(span.surface):
            return len(span.surface) > 1
        if len(words) == 1:
            return self._language in _CAPITAL_NOUNS or len(span.surface) >= MIN_RARE_LETTERS
        return len(words) <= MAX_WORDS and words[0] not in FUNCTION_WORDS.get(self._language, frozenset())

    def _is_called(self, span: Span) -> bool:
        """Whether a link is called what its page is called: "his assassination in April 1865" is not."""
        if span.target is None:
            return False
        surface = span.surface.casefold()
        called = {name.casefold() for name in names_of(span.target, self._aliases)}
        return surface in called or surface.removesuffix("s") in called


_RULES: tuple[tuple[Refusal, Callable[[_Paragraph, Span], bool]], ...] = (
    (Refusal.UNCLEAN, _Paragraph.is_unclean),
    (Refusal.CUT, _Paragraph.is_cut),
    (Refusal.SEVERAL, _Paragraph.is_told_again),
    (Refusal.TITLE, _Paragraph.tells_title),
    (Refusal.LOST, _Paragraph.is_lost),
    (Refusal.LISTED, _Paragraph.is_one_of_list),
    (Refusal.SHORTER, _Paragraph.is_told_shorter),
    (Refusal.KIN, _Paragraph.is_told_by_kin),
    (Refusal.INITIALS, _Paragraph.is_told_by_initials),
    (Refusal.OTHER_WORDS, _Paragraph.is_told_in_other_words),
    (Refusal.VAGUE, _Paragraph.is_vague),
    (Refusal.NOT_ASKED, _Paragraph.is_not_asked),
)
"""Cheap ones first: a span is refused for the first that it breaks."""


def _refusal(paragraph: _Paragraph, span: Span) -> Refusal | None:
    return next((refusal for refusal, breaks in _RULES if breaks(paragraph, span)), None)
