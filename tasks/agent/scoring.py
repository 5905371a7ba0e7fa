"""How correct an answer is: judge, rewards and metrics all score answers here.

Texts are compared by their words: Unicode NFKC, case folded, without punctuation. "1,023" is "1023", "3.5" is one word,
"AC/DC" is two, "U.S." is "us", "O'Hara" is "ohara". A Chinese or Japanese character is a word. Evidence, judge,
rewards, span recall and leaks compare these words. They differ only in the treatment of English articles:

    `words`   for a mask's filling or an answer. A leading article is dropped, all others stay: "Serie A" is not
              "Serie B". Leak detection (tasks/ramp/leaks.py) compares runs of these words, too, without any article.
    `holds`   whether a text states a value: as evidence, as a visible answer, as support of an answer, or as a value
              that random passages must not state. All articles stay, but the text may lack the value's leading
              article. Capitals count where the lower-case word would be a different word.

Three modules read text differently, on purpose. F1, exact and substring match of QA questions are compared with
published numbers, so they use `squad_words`, exactly SQuAD's normalisation. The index uses Lucene's analyzer of the
language, which also stems and drops stop words, because it finds passages and does not judge them.
`tasks.agent.alignment` and `tasks.corpus.words` need the positions of words in a text, its punctuation and its
capitals.
"""

import math
import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import fmean
from typing import NamedTuple

import regex

from schemas.records import ClaimLabel, Question
from tasks.agent.alignment import align
from tasks.agent.protocol import MASK
from tasks.corpus.words import FUNCTION_WORDS

__all__ = [
    "ARTICLES",
    "MaskScore",
    "Scores",
    "accepted_surfaces",
    "align",
    "contains",
    "holds",
    "is_decision",
    "score",
    "score_masks",
    "squad_words",
    "words",
]

ARTICLES = frozenset({"a", "an", "the"})
DECISIONS = frozenset({("yes",), ("no",), *((str(label),) for label in ClaimLabel)})
LONGEST_ACRONYM = 3
"""Letters of the longest word in capitals whose lower-case form may be a different word ("US", "WHO", "A")."""

# Marks within one word, removed before the text is cut into words.
_JOINED = regex.compile(
    r"(?<=\d),(?=\d{3}(?!\d))"  # 1,023
    r"|(?<=\b\p{L})\.(?=\p{L}\b)"  # U.S.
    r"|(?<=\p{L})['’](?=\p{L})"  # O'Hara
)
# A character of a script without spaces, a number with decimals or a version ("3.5"), a word of other scripts. The
# lookahead ends a word before a character of such a script, since \p{L} includes them.
_WORD = regex.compile(
    r"[\p{Han}\p{Hiragana}\p{Katakana}]"
    r"|\d+(?:\.\d+)+"
    r"|(?:(?![\p{Han}\p{Hiragana}\p{Katakana}])[\p{L}\p{M}\p{N}])+"
)
_LETTER = regex.compile(r"[\p{L}\p{M}\p{N}\u200c\u200d]")
_MARK = regex.compile(r"\p{M}")
_UNSPACED = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}]")
"""A character of a script that is written without spaces."""
_NO_ASCII_PUNCTUATION = str.maketrans("", "", string.punctuation)
_SQUAD_ARTICLES = re.compile(r"\b(a|an|the)\b")
_LEADING_ARTICLE = regex.compile(r"\W*+(?:[Tt]he|an?|An|A(?!\s+\p{Ll}+\W*\Z))\s++\W*+\w")
"""The leading article of a value. The "A" of "A minor" and of "A-ha" is no article. Possessive quantifiers (``++``)
keep the match linear in the length of the text."""
_FIRST_ARTICLE = regex.compile(r"(\A\W*|[.!?…:;]['\"”’)\]]*\s+)A(?=\s)")
"""An "A" at the beginning of a sentence: there it is the article, whose capital says nothing."""


def words(text: str) -> tuple[str, ...]:
    """The words of a mask's filling, without a leading article, unless it consists of articles only."""
    folded = _folded(text)
    return folded[1:] if _has_leading_article(text) else folded


@lru_cache(maxsize=1024)
def squad_words(text: str) -> tuple[str, ...]:
    """The tokens of SQuAD's evaluation (arXiv 1606.05250, evaluate-v1.1.py and v2.0), for F1 and exact match only.

    In this order: lower case, ASCII punctuation removed, the words "a", "an" and "the" removed, split at white space.
    So "AC/DC" is one token ("acdc"), and so is a Chinese sentence. Empty for "The" or "!".
    """
    bare = text.lower().translate(_NO_ASCII_PUNCTUATION)
    return tuple(_SQUAD_ARTICLES.sub(" ", bare).split())


def contains(answer: str, gold: str) -> bool:
    """Whether an answer contains a gold as whole words, both normalised as by SQuAD (`squad_words`).

    A word ends where no letter, mark or digit follows. A text in a script without spaces does not show where its words
    end: there it may be anywhere but before a combining mark. A gold without words is contained in an answer without
    words only.
    """
    given, wanted = " ".join(squad_words(answer)), " ".join(squad_words(gold))
    if not wanted or wanted not in given:
        return given == wanted
    found = regex.finditer(regex.escape(wanted), given, overlapped=True)
    return any(_may_part(given, match.start()) and _may_part(given, match.end()) for match in found)


def _may_part(text: str, place: int) -> bool:
    """Whether a word may begin or end at this place of a text."""
    before, behind = text[:place][-1:], text[place : place + 1]
    if not _LETTER.match(before) or not _LETTER.match(behind):
        return True
    return not _MARK.match(behind) and any(map(_UNSPACED.match, (before, behind)))


@lru_cache(maxsize=1024)
def _folded(text: str) -> tuple[str, ...]:
    return tuple(word.casefold() for word in _written(text))


def _written(text: str) -> list[str]:
    """The words of a text, with its capitals."""
    written: list[str] = _WORD.findall(_JOINED.sub("", unicodedata.normalize("NFKC", text)))
    return written


def _has_leading_article(text: str) -> bool:
    return _LEADING_ARTICLE.match(text) is not None and not ARTICLES.issuperset(_folded(text))


# -- values in texts --------------------------------------------------------------------------------------------------


def holds(text: str, surface: str) -> bool:
    """Whether ``text`` contains the words of ``surface``, whole and consecutive; False if ``surface`` has no words.

    A short word in capitals must be written in capitals: "us" does not match "US", nor "in a group" "Group A". A
    leading article of the value may be missing, unless only function words are left ("who" does not match "The Who").
    The rest must then have the value's capitals: "Beatles" matches "the Beatles", "a band" does not match "The Band".
    """
    return any(_stands_in(form, text) for form in _forms(surface))


class _Form(NamedTuple):
    """One accepted spelling of a value: its words as a line, and the words (with index) whose capitals count."""

    line: str
    capitals: tuple[tuple[int, str], ...]


@lru_cache(maxsize=4096)
def _forms(surface: str) -> tuple[_Form, ...]:
    written = _written(surface)
    if not written:
        return ()
    if not _has_leading_article(surface):
        return (_form(written, _is_acronym),)
    article, *rest = written
    whole = _form([article.lower(), *rest], _is_acronym)
    is_distinctive = any(word.casefold() not in FUNCTION_WORDS["en"] for word in rest)
    return (whole, _form(rest, _has_capital)) if is_distinctive else (whole,)


def _form(written: Sequence[str], count: Callable[[str], bool]) -> _Form:
    return _Form(_line_of(written), tuple((place, word) for place, word in enumerate(written) if count(word)))


def _is_acronym(word: str) -> bool:
    return word.isupper() and word.isalpha() and len(word) <= LONGEST_ACRONYM


def _has_capital(word: str) -> bool:
    return word != word.lower()


def _stands_in(form: _Form, text: str) -> bool:
    if form.line not in _line(text):
        return False
    if not form.capitals:
        return True
    spelt, n_words = _spelt(text), len(form.line.split())
    return any(
        _line_of(spelt[place : place + n_words]) == form.line
        for place in range(len(spelt) - n_words + 1)
        if all(spelt[place + at] == word for at, word in form.capitals)
    )


@lru_cache(maxsize=4096)
def _line(text: str) -> str:
    return _line_of(_written(text))


def _line_of(written: Sequence[str]) -> str:
    return f" {' '.join(written).casefold()} "


@lru_cache(maxsize=1024)
def _spelt(text: str) -> list[str]:
    """The words of a text with its capitals, except for an article "A" at the beginning of a sentence."""
    return _written(_FIRST_ARTICLE.sub(r"\1a", text))


# -- answers ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MaskScore:
    """The score of one mask's filling, or of the answer to a question without masks, against its gold.

    ``filling`` is None if its place in the answer is unknown. ``recall``, ``f1``, ``exact`` and ``substring`` (whether
    the filling contains a surface) are in [0, 1]. ``foreign`` is the number of the filling's words that the best
    surface lacks, divided by that surface's words.
    """

    filling: str | None
    recall: float
    f1: float
    exact: float
    foreign: float
    substring: float


@dataclass(frozen=True, slots=True)
class Scores:
    """Means over the masks. ``recall`` is `span_recall`; ``per_mask`` is the recall at each mask, in order."""

    recall: float
    f1: float
    exact: float
    substring: float
    per_mask: tuple[float, ...]


def score(question: Question, answer: str | None) -> Scores:
    """The scores of an answer: at the places of the masks, or of the whole answer for a question without masks.

    Means are summed exactly (`fmean`), so that they do not depend on which of the masks was correct.
    """
    scored = score_masks(question, answer)
    return Scores(
        recall=fmean(mask.recall for mask in scored),
        f1=fmean(mask.f1 for mask in scored),
        exact=fmean(mask.exact for mask in scored),
        substring=fmean(mask.substring for mask in scored),
        per_mask=tuple(mask.recall for mask in scored),
    )


def score_masks(question: Question, answer: str | None) -> list[MaskScore]:
    """The score of each mask's filling; one element for the whole answer to a question without masks.

    The best score over the gold and its aliases counts. Recall compares `words`, and so do F1 and exact match of
    fillings; F1 and exact match of answers to other questions are SQuAD's. A filling with more than twice the gold's
    words plus two earns nothing, so that a list of candidates does not pay. The answer to a claim is a label, which is
    right or wrong: all its scores are exact match.
    """
    accepted = accepted_surfaces(question)
    if question.kind == "claim":
        return [_labelled(answer, labels) for labels in accepted]
    if question.kind != "ramp":
        return [_answered(answer, surfaces) for surfaces in accepted]
    return [_filled(*place) for place in zip(_fillings(question, answer), accepted, strict=True)]


def accepted_surfaces(question: Question) -> list[list[str]]:
    """The accepted surfaces (gold and aliases) of each mask, or of the whole question if it has no masks."""
    accepted = [[gold, *aliases] for gold, aliases in zip(question.gold, question.aliases, strict=True)]
    return accepted if question.kind == "ramp" else [[surface for surfaces in accepted for surface in surfaces]]


def is_decision(accepted: Iterable[str]) -> bool:
    """Whether these surfaces are a yes, a no, or the verdict on a claim: no passage needs to contain such an answer."""
    return all(words(surface) in DECISIONS for surface in accepted)


def _fillings(question: Question, answer: str | None) -> Sequence[str | None]:
    if answer is None:
        return [None] * len(question.gold)
    # A perfect answer counts as such, even if its places are ambiguous (neighbouring masks, repeated words).
    if question.text is not None and MASK not in answer and words(answer) == words(question.text):
        return question.gold
    assert question.masked_text is not None, "a RAMP question has its masked text"
    return align(question.masked_text, answer)


def _filled(filling: str | None, accepted: Iterable[str]) -> MaskScore:
    given = words(filling or "")
    overlaps = [_overlap(given, words(surface)) for surface in accepted]
    paid = [overlap for overlap in overlaps if overlap.is_short] or [_NO_OVERLAP]
    best = max(paid)
    exact = any(given and given == words(surface) for surface in accepted)
    return MaskScore(
        filling=filling,
        recall=best.recall,
        f1=max(overlap.f1 for overlap in paid),
        exact=float(exact),
        foreign=best.foreign,
        substring=float(any(overlap.is_contained for overlap in paid)),
    )


def _answered(answer: str | None, accepted: Sequence[str]) -> MaskScore:
    if answer is None:
        return _UNANSWERED
    best = max(_overlap(words(answer), words(surface)) for surface in accepted)
    if is_decision(accepted) and best.foreign > 0:  # "yes and no" is no answer
        best = _NO_OVERLAP
    given, golds = squad_words(answer), [squad_words(surface) for surface in accepted]
    f1 = max(_squad_f1(given, gold) for gold in golds)
    held = any(contains(answer, surface) for surface in accepted)
    return MaskScore(answer, best.recall, f1, float(given in golds), best.foreign, float(held))


def _labelled(answer: str | None, labels: Sequence[str]) -> MaskScore:
    if answer is None:
        return _UNANSWERED
    right = float(squad_words(answer) in [squad_words(label) for label in labels])
    return MaskScore(answer, right, right, right, 1 - right, right)


class _Overlap(NamedTuple):
    """The overlap of two multisets of words. It sorts by recall, then by ``native``: fewer foreign words are better."""

    recall: float
    native: float
    f1: float
    is_short: bool
    is_contained: bool

    @property
    def foreign(self) -> float:
        return -self.native


_NO_OVERLAP = _Overlap(0.0, -math.inf, 0.0, is_short=True, is_contained=False)
_UNANSWERED = MaskScore(None, 0.0, 0.0, 0.0, _NO_OVERLAP.foreign, 0.0)


def _overlap(given: tuple[str, ...], gold: tuple[str, ...]) -> _Overlap:
    if not given or not gold:
        return _NO_OVERLAP
    shared = (Counter(given) & Counter(gold)).total()
    return _Overlap(
        recall=shared / len(gold),
        native=-(len(given) - shared) / len(gold),
        f1=2 * shared / (len(given) + len(gold)),
        is_short=len(given) <= 2 * len(gold) + 2,
        is_contained=f" {' '.join(gold)} " in f" {' '.join(given)} ",
    )


def _squad_f1(given: tuple[str, ...], gold: tuple[str, ...]) -> float:
    """F1 of two multisets of tokens; 1 if both are empty, as in SQuAD 2.0."""
    shared = (Counter(given) & Counter(gold)).total()
    return 2 * shared / (len(given) + len(gold)) if given and gold else float(given == gold)
