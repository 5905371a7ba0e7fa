"""The backend `capitalised`: names by their capitals, dates and numbers, for passages without links.

Capitals alone mark too much. A run of capitalised words is a name if other passages know it: if it is the title of a
passage of the part, or if enough passages of the part contain it. Where a sentence begins, every word has a capital:
there a single word is no name, and if a longer run is unknown, it is tried without its first word. Left out are words
between an article and a plain word, which are adjectives ("the German chemist", "a West German film"), and runs that
a name goes beyond: "Summer Olympics" in "1936 Summer Olympics", "Warner Bros" before a stop that ends no sentence.

A language that writes all nouns with capitals needs more: one word is a term, and only if it is a title. A script
without capitals has only dates and numbers.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from schemas.records import Passage, SpanKind
from tasks.corpus.sentences import sentences
from tasks.corpus.words import CAPITAL_NOUNS, PREPOSITIONS, bare_title, names_in, word_before
from tasks.spans import patterns
from tasks.spans.backends import SpanBackend
from tasks.spans.proposals import Named

_A_BEFORE = re.compile(r"\ban?[ \u00a0]\Z", re.IGNORECASE)
_ARTICLE_BEFORE = re.compile(r"\b(?:an?|the)[ \u00a0]\Z", re.IGNORECASE)
_PLAIN_BEHIND = re.compile(r"[ \u00a0][^\W\d_A-Z]")
_NUMBER_BEFORE = re.compile(r"(?<!\S)\d[^\s,.;]{0,4}[ \u00a0]\Z")
_NUMBER_BEHIND = re.compile(r"[ \u00a0]\d")
_FIRST_WORD = re.compile(r"\S+\s+")
_OPENING = "\"'“‘„«(["
_FEWEST_LETTERS = 3
"""Of a name: shorter runs are mostly abbreviations and words of other languages."""


class CapitalisedBackend(SpanBackend):
    """The backend `capitalised`. It has to `look_at` the passages of its part before it names spans."""

    def __init__(self, settings: Any, language: str) -> None:
        super().__init__(settings, language)
        self._titles: set[str] = set()
        self._passages_with: Counter[str] = Counter()

    def look_at(self, passages: Iterable[Passage]) -> None:
        """Count the passages with each name, and take their titles."""
        for passage in passages:
            self._titles.add(bare_title(passage.title))
            readings = {reading for name in self._readings(passage.text) for reading in name}
            self._passages_with.update(readings)

    def named(self, passage: Passage) -> Iterator[Named]:
        """Dates and numbers, and each run of capitalised words by its first reading that is known."""
        text, language = passage.text, self.language
        yield from (Named(text[start:end], SpanKind.NUMBER) for start, end in patterns.numbers(text, language))
        yield from (Named(text[start:end], SpanKind.DATE) for start, end in patterns.dates(text, language))
        for readings in self._readings(text):
            known = next(filter(self._is_known, readings), None)
            if known is not None:
                yield Named(known, self._kind_of(known))

    def _readings(self, text: str) -> Iterator[tuple[str, ...]]:
        """For each run of capitalised words the names that it may be, the likeliest first."""
        starts, ends = set(), set()
        for start, end in sentences(text, self.language):
            starts.add(end - len(text[start:end].lstrip(_OPENING)))
            ends.add(end)
        for start, end, surface in names_in(text, self.language):
            rest = _FIRST_WORD.sub("", surface, count=1)
            is_single = rest == surface
            is_cut = text[end : end + 1] == "." and end + 1 not in ends
            if is_cut or len(rest) < _FEWEST_LETTERS or _goes_beyond(text, start, end, self.language):
                continue
            if start in starts:
                yield () if is_single else (surface, rest)
            elif not _is_adjective(text, start, end, _ARTICLE_BEFORE if is_single else _A_BEFORE):
                yield (surface,)

    def _is_known(self, name: str) -> bool:
        if name in self._titles:
            return True
        is_noun = self.language in CAPITAL_NOUNS and " " not in name
        return not is_noun and self._passages_with[name] >= self.settings.min_passages

    def _kind_of(self, name: str) -> SpanKind:
        is_noun = self.language in CAPITAL_NOUNS and " " not in name and not name.isupper()
        return SpanKind.TERM if is_noun else SpanKind.ENTITY


def _goes_beyond(text: str, start: int, end: int, language: str) -> bool:
    """Whether a number belongs to the name: "20th Century Fox", "Boeing 747"; but not in "in 1936 Ostel grew"."""
    if _NUMBER_BEHIND.match(text, end):
        return True
    before = _NUMBER_BEFORE.search(text, max(0, start - 8), start)
    return before is not None and word_before(text, before.start()).casefold() not in PREPOSITIONS.get(language, ())


def _is_adjective(text: str, start: int, end: int, article: re.Pattern[str]) -> bool:
    """Whether capitalised words belong to the noun behind them."""
    before = article.search(text, max(0, start - 5), start)
    return before is not None and _PLAIN_BEHIND.match(text, end) is not None
