"""Whether a passage proves a masked value: it holds it, and it speaks of the same thing.

A year or a country stands in many passages by chance. A passage counts only if it is about the name that was searched
for, and the sentence that holds the value shares other words with the sentence of the mask; the fewer, the surer it is
already that the passage is about the name:

    the short opening passage of the page with that name (an entry: all of it is about its title)        none
    a longer opening passage of that page                          one that stands beside the value in both, or two
    a sentence that also holds the name                                                                  two
    another passage of that page                                                                         three

Long sentences share words by chance, so for the last two these must also be a quarter of the shorter sentence, or four.
Figures of one to three digits are no such words: "40,000" is the strength of many an army.

What a sentence says of its own page's subject, a passage of a third page says of another one, unless it names that
subject: what borders Asia does not border the Atlantic Ocean. And two sentences that tell different years, none of them
in common, tell of different times.
"""

import re
from functools import lru_cache

from retrieval_index.hits import Hit
from schemas.records import Mask, Question, SpanKind
from tasks.agent.scoring import ARTICLES, holds
from tasks.corpus.sentences import sentences
from tasks.corpus.words import are_kin, bare_title, content_words, has_unspaced, main_words, plain_words, stems

ENTRY_WORDS = 60
_LEAST_SHARE = 0.25
_ALWAYS_ENOUGH = 4
_BESIDE = 3
"""So many content words on either side of a value stand beside it."""
_SHORT_FIGURE = re.compile(r"\d{1,3}")
_YEARS = re.compile(r"(?<![\d.,])((?:1\d|20)\d\d)(?:[–/-](\d\d))?(?!\d|[.,]\d)")
_PRONOUN = {
    "en": re.compile(r"(?:It|Its|He|His|She|Her|They|Their)\b"),
    "de": re.compile(r"(?:Er|Es|Sie|Sein|Seine|Ihr|Ihre)\b"),
    "zh": re.compile("[他她它其该該]"),
}
_NEVER = re.compile(r"(?!)")
_FAR = 100
"""Characters in which these words stand."""


def is_titled(hit: Hit, name: str) -> bool:
    """Whether a hit is of the page with that name."""
    return bare_title(hit.title).casefold() == name.casefold()


class Claim:
    """What one mask's value must be proven to be: the value in its sentence."""

    def __init__(self, question: Question, mask: Mask, sentence: str) -> None:
        self._language = question.language
        self._forms = [mask.surface, *mask.aliases]
        self._longest = [_longest_word(form) for form in self._forms]
        self._literal = _with_unit(question, mask) if _is_bare_number(mask) else ""
        self._stems = {stem for stem in stems(sentence, question.language) if not _SHORT_FIGURE.fullmatch(stem)}
        assert question.text is not None, "only RAMP questions have masks"
        self._beside = (question.text[: mask.start], question.text[mask.end :])
        self._years = _years(sentence)
        self._page = f"{question.page_id}-"
        title = main_words(question.title or "", question.language)
        self._subject = title if _is_about(title, question.text, mask.start, question.language) else frozenset()
        """Main words of the page's title, where the sentence is about that."""

    def form_in(self, hit: Hit, name: str) -> str | None:
        """The form in which a passage, found by searching for ``name``, states the value; None where it does not."""
        folded = _folded(hit.title, hit.text)
        if self._literal not in folded:
            return None
        for form, longest in zip(self._forms, self._longest, strict=True):
            if longest in folded and not holds(form, name) and self._is_proven(form, hit, name):
                return form
        return None

    def _is_proven(self, form: str, hit: Hit, name: str) -> bool:
        titled = is_titled(hit, name)
        if not (titled or hit.passage_id.startswith(self._page) or _names(f"{hit.title}: {hit.text}", self._subject)):
            return False
        opening = titled and hit.passage_id.endswith("-0")
        if opening and len(hit.text.split()) <= ENTRY_WORDS:
            return holds(hit.text, form)
        known = stems(f"{form} {name} {bare_title(hit.title)}", self._language)
        for said, words in _sentences(hit.text, self._language):
            shared = len(words & self._stems - known)
            if shared == 0 or not holds(said, form) or self._is_of_other_years(said, form):
                continue
            if opening and (shared >= 2 or self._is_beside(said, form, known)):
                return True
            if shared >= self._enough(words) and ((titled and shared >= 3) or holds(said, name)):
                return True
        return False

    def _is_beside(self, said: str, form: str, known: frozenset[str]) -> bool:
        """Whether a word stands beside the value both in the paragraph and in what a passage says."""
        place = said.casefold().find(form.casefold())
        if place < 0:
            return False
        there = _stems_beside(said[:place], said[place + len(form) :], known, self._language)
        return not there.isdisjoint(_stems_beside(*self._beside, known, self._language))

    def _is_of_other_years(self, said: str, form: str) -> bool:
        years = _years(said) - _years(form)
        return bool(self._years) and bool(years) and years.isdisjoint(self._years)

    def _enough(self, words: frozenset[str]) -> float:
        """So many words must a sentence with these words share, where it may be about anything."""
        return min(_ALWAYS_ENOUGH, max(2, _LEAST_SHARE * min(len(words), len(self._stems))))


@lru_cache(maxsize=16_384)
def _folded(title: str, text: str) -> str:
    return f"{title}: {text}".casefold()


@lru_cache(maxsize=2048)
def _sentences(text: str, language: str) -> list[tuple[str, frozenset[str]]]:
    return [(text[start:end], stems(text[start:end], language)) for start, end in sentences(text, language)]


def _years(text: str) -> set[str]:
    """2001 and 2010 of "2001–10"."""
    found = _YEARS.findall(text)
    return {year for year, _ in found} | {year[:2] + end for year, end in found if end}


def _is_about(title: frozenset[str], text: str, place: int, language: str) -> bool:
    """Whether the sentence at a place names a title, or begins with a pronoun, as may those before it, behind one that
    does.
    """
    pronoun = _PRONOUN.get(language, _NEVER)
    for start, end in reversed([where for where in sentences(text, language) if where[0] <= place]):
        if _names(text[start:end], title):
            return True
        if not pronoun.match(text, start):
            break
    return False


def _names(text: str, subject: frozenset[str]) -> bool:
    """Whether a text holds all the main words of a title, in some form."""
    words = set(plain_words(text))
    return all(word in text if has_unspaced(word) else any(are_kin(word, other) for other in words) for word in subject)


def _stems_beside(before: str, behind: str, known: frozenset[str], language: str) -> frozenset[str]:
    """Of the content words nearest to a place, those that are not known anyway."""
    told = [content_words(part, language) for part in (before[-_FAR:], behind[:_FAR])]
    one, other = ([stem for word in words for stem in stems(word, language) if stem not in known] for words in told)
    return frozenset(one[-_BESIDE:] + other[:_BESIDE])


def _longest_word(form: str) -> str:
    """A word without which a text does not hold the form: much cheaper to look for than to normalise the text.

    No article, without one of which a text may hold it.
    """
    told = re.findall(r"[^\W_]+", form.casefold())
    return max([word for word in told if word not in ARTICLES] or told, key=len, default="")


def _is_bare_number(mask: Mask) -> bool:
    """Fewer than three digits stand in too many texts: what they count must stand there too."""
    return mask.kind == SpanKind.NUMBER and sum(map(str.isdigit, mask.surface)) < 3


def _with_unit(question: Question, mask: Mask) -> str:
    assert question.text is not None, "only RAMP questions have masks"
    if not mask.surface[-1].isdigit():
        return mask.surface.casefold()
    behind = re.match(r"\W?[^\W_]+", question.text[mask.end :])
    return (mask.surface + (behind[0] if behind else "")).casefold()
