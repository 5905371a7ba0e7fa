"""Whether a passage proves a masked value: it contains the value and is about the same fact.

Many passages contain a given year or country by chance. A passage counts only if it is about the name in the query, and
if its sentence with the value shares other words with the sentence of the mask. The surer it is that the passage is
about the name, the fewer shared words are required:

    the short opening passage of the page with that name (an entry, which is all about its title)     0 words
    a longer opening passage of that page                              1 word beside the value in both, or 2 words
    a sentence that also contains the name                                                            2 words
    another passage of that page                                                                      3 words

Long sentences share words by chance, so in the last two cases the shared words must also be a quarter of the shorter
sentence, or four. Numbers of one to three digits do not count as words: "40,000" is the strength of many armies.

If the sentence of the mask is about its page's subject, a passage of a third page must name this subject: a fact about
Asia does not prove one about the Atlantic Ocean. Two sentences that name years, but no common year, are about different
times.
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
"""The number of content words on either side of a value that count as beside it."""
_SHORT_NUMBER = re.compile(r"\d{1,3}")
# A year with the short end of a range, "2001–10"; not a part of a longer number such as "1,998.5".
_YEARS = re.compile(r"(?<![\d.,])((?:1\d|20)\d\d)(?:[–/-](\d\d))?(?!\d|[.,]\d)")
_PRONOUN = {
    "en": re.compile(r"(?:It|Its|He|His|She|Her|They|Their)\b"),
    "de": re.compile(r"(?:Er|Es|Sie|Sein|Seine|Ihr|Ihre)\b"),
    "zh": re.compile("[他她它其该該]"),
}
_NEVER = re.compile(r"(?!)")
_FAR = 100
"""The number of characters on either side within which these words are searched."""


def is_titled(hit: Hit, name: str) -> bool:
    """Whether a hit is from the page with that name."""
    return bare_title(hit.title).casefold() == name.casefold()


class Claim:
    """The claim that a mask's value makes its sentence true, which a passage may prove."""

    def __init__(self, question: Question, mask: Mask, sentence: str) -> None:
        self._language = question.language
        self._forms = [mask.surface, *mask.aliases]
        self._longest = [_longest_word(form) for form in self._forms]
        self._literal = _with_unit(question, mask) if _is_bare_number(mask) else ""
        self._stems = {stem for stem in stems(sentence, question.language) if not _SHORT_NUMBER.fullmatch(stem)}
        assert question.text is not None, "only RAMP questions have masks"
        self._beside = (question.text[: mask.start], question.text[mask.end :])
        self._years = _years(sentence)
        self._page = f"{question.page_id}-"
        title = main_words(question.title or "", question.language)
        self._subject = title if _is_about(title, question.text, mask.start, question.language) else frozenset()
        """Main words of the page's title if the sentence is about it, otherwise empty."""

    def form_in(self, hit: Hit, name: str) -> str | None:
        """The form of the value that a passage proves; None if it does not. The query for the passage was ``name``."""
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
        for sentence, words in _sentences(hit.text, self._language):
            shared = len(words & self._stems - known)
            if shared == 0 or not holds(sentence, form) or self._is_of_other_years(sentence, form):
                continue
            if opening and (shared >= 2 or self._is_beside(sentence, form, known)):
                return True
            if shared >= self._enough(words) and ((titled and shared >= 3) or holds(sentence, name)):
                return True
        return False

    def _is_beside(self, sentence: str, form: str, known: frozenset[str]) -> bool:
        """Whether a word is beside the value both in the paragraph and in a sentence of the passage."""
        offset = sentence.casefold().find(form.casefold())
        if offset < 0:
            return False
        beside = _stems_beside(sentence[:offset], sentence[offset + len(form) :], known, self._language)
        return not beside.isdisjoint(_stems_beside(*self._beside, known, self._language))

    def _is_of_other_years(self, sentence: str, form: str) -> bool:
        years = _years(sentence) - _years(form)
        return bool(self._years) and bool(years) and years.isdisjoint(self._years)

    def _enough(self, words: frozenset[str]) -> float:
        """The number of words that a sentence with these words must share if it may be about anything."""
        return min(_ALWAYS_ENOUGH, max(2, _LEAST_SHARE * min(len(words), len(self._stems))))


@lru_cache(maxsize=16_384)
def _folded(title: str, text: str) -> str:
    return f"{title}: {text}".casefold()


@lru_cache(maxsize=2048)
def _sentences(text: str, language: str) -> list[tuple[str, frozenset[str]]]:
    return [(text[start:end], stems(text[start:end], language)) for start, end in sentences(text, language)]


def _years(text: str) -> set[str]:
    """The years of a text; 2001 and 2010 for "2001–10"."""
    found = _YEARS.findall(text)
    return {year for year, _ in found} | {year[:2] + end for year, end in found if end}


def _is_about(title: frozenset[str], text: str, offset: int, language: str) -> bool:
    """Whether the sentence at an offset is about a title: it names the title, or it begins with a pronoun and the
    sentence before it is about the title.
    """
    pronoun = _PRONOUN.get(language, _NEVER)
    for start, end in reversed([span for span in sentences(text, language) if span[0] <= offset]):
        if _names(text[start:end], title):
            return True
        if not pronoun.match(text, start):
            break
    return False


def _names(text: str, subject: frozenset[str]) -> bool:
    """Whether a text contains all main words of a title in some form."""
    words = set(plain_words(text))
    return all(word in text if has_unspaced(word) else any(are_kin(word, other) for other in words) for word in subject)


def _stems_beside(before: str, behind: str, known: frozenset[str], language: str) -> frozenset[str]:
    """The stems of the content words nearest to a value on either side, without those in ``known``."""
    sides = [content_words(side, language) for side in (before[-_FAR:], behind[:_FAR])]
    one, other = ([stem for word in words for stem in stems(word, language) if stem not in known] for words in sides)
    return frozenset(one[-_BESIDE:] + other[:_BESIDE])


def _longest_word(form: str) -> str:
    """A word that every text with the form contains. To look for it is much cheaper than to normalise the text.

    It is not an article, because a text with the form may lack the article.
    """
    words = re.findall(r"[^\W_]+", form.casefold())
    return max([word for word in words if word not in ARTICLES] or words, key=len, default="")


def _is_bare_number(mask: Mask) -> bool:
    """Whether a number has fewer than three digits: too many texts contain it, so its unit must be there too."""
    return mask.kind == SpanKind.NUMBER and sum(map(str.isdigit, mask.surface)) < 3


def _with_unit(question: Question, mask: Mask) -> str:
    assert question.text is not None, "only RAMP questions have masks"
    if not mask.surface[-1].isdigit():
        return mask.surface.casefold()
    behind = re.match(r"\W?[^\W_]+", question.text[mask.end :])
    return (mask.surface + (behind[0] if behind else "")).casefold()
