"""How right an answer is: the one place for judge, rewards and metrics.

Texts are compared by their words: Unicode NFKC, case folded, without punctuation; "1,023" is "1023", "3.5" one word,
"AC/DC" two, "U.S." is "us", "O'Hara" "ohara". A Chinese or Japanese character is a word. These words are what evidence,
judge, rewards, span recall and leaks compare; they differ only in what they do with English articles:

    `words`   what is filled into a mask or answered: an article in front is dropped, every other one stays: "Serie A"
              is not "Serie B". Runs shared with evaluation sets (tasks/ramp/leaks.py) are of these words, too, without
              any article.
    `holds`   whether a text states a value: as evidence, as an answer in sight, as support of an answer, as what
              random passages must not tell. Every article stays, but one in front of the value may be missing in the
              text; and capitals count where without them another word would do.

Three things read text in another way, on purpose. F1 and exact match of QA questions are compared with published
numbers, so they use `squad_words`, which is SQuAD's normalisation to the letter. The index leaves words to Lucene's
analyzer of the language, which also stems and drops stop words: it has to find a passage, not to judge it.
`tasks.agent.alignment` and `tasks.corpus.words` need the places of words in a text, its punctuation and its capitals.
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

from schemas.records import Question
from tasks.agent.alignment import align
from tasks.agent.protocol import MASK
from tasks.corpus.words import FUNCTION_WORDS

__all__ = [
    "ARTICLES",
    "MaskScore",
    "Scores",
    "accepted_surfaces",
    "align",
    "holds",
    "score",
    "score_masks",
    "squad_words",
    "words",
]

ARTICLES = frozenset({"a", "an", "the"})
LONGEST_ACRONYM = 3
"""Capitals only, and no more than that: its letters in lower case are as likely another word ("US", "WHO", "A")."""

_JOINED = regex.compile(
    r"(?<=\d),(?=\d{3}(?!\d))"  # 1,023
    r"|(?<=\b\p{L})\.(?=\p{L}\b)"  # U.S.
    r"|(?<=\p{L})['’](?=\p{L})"  # O'Hara
)
_WORD = regex.compile(
    r"[\p{Han}\p{Hiragana}\p{Katakana}]"
    r"|\d+(?:\.\d+)+"
    r"|(?:(?![\p{Han}\p{Hiragana}\p{Katakana}])[\p{L}\p{M}\p{N}])+"
)
_NO_ASCII_PUNCTUATION = str.maketrans("", "", string.punctuation)
_SQUAD_ARTICLES = re.compile(r"\b(a|an|the)\b")
_LEADING_ARTICLE = regex.compile(r"\W*+(?:[Tt]he|an?|An|A(?!\s+\p{Ll}+\W*\Z))\s++\W*+\w")
"""Of a value. "A minor" begins with a letter, and so does "A-ha"."""
_FIRST_ARTICLE = regex.compile(r"(\A\W*|[.!?…:;]['\"”’)\]]*\s+)A(?=\s)")
"""The beginning of a sentence of a text: its "A" is the article."""


def words(text: str) -> tuple[str, ...]:
    """The words of what is filled into a mask, without an article in front, unless there are only articles."""
    found = _folded(text)
    return found[1:] if _has_leading_article(text) else found


def squad_words(text: str) -> tuple[str, ...]:
    """The tokens of SQuAD's evaluation (arXiv 1606.05250, evaluate-v1.1.py and v2.0), for F1 and exact match only.

    In this order: lower case, ASCII punctuation removed, the words "a", "an" and "the" removed, split at white space.
    So "AC/DC" is one token ("acdc"), and a Chinese sentence is one, too. Empty for "The" or "!".
    """
    bare = text.lower().translate(_NO_ASCII_PUNCTUATION)
    return tuple(_SQUAD_ARTICLES.sub(" ", bare).split())


@lru_cache(maxsize=1024)
def _folded(text: str) -> tuple[str, ...]:
    return tuple(word.casefold() for word in _written(text))


def _written(text: str) -> list[str]:
    """The words of a text, in its own capitals."""
    return _WORD.findall(_JOINED.sub("", unicodedata.normalize("NFKC", text)))


def _has_leading_article(text: str) -> bool:
    return _LEADING_ARTICLE.match(text) is not None and not ARTICLES.issuperset(_folded(text))


# -- values in texts --------------------------------------------------------------------------------------------------


def holds(text: str, surface: str) -> bool:
    """Whether the words of ``surface`` stand in ``text``, whole and in a row; never, where it has none.

    What has only a few capitals must be written with them: "us" is no "US", "in a group" no "Group A". A value with an
    article in front may stand without it, but not where nothing is left to tell it ("who", of "The Who"), and only as
    it is written: "Beatles" tells "the Beatles", "a band" not "The Band".
    """
    return any(_stands_in(form, text) for form in _forms(surface))


class _Form(NamedTuple):
    """A way to write a value: its words in a line, and those of them, by place, whose capitals count."""

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
    is_telling = any(word.casefold() not in FUNCTION_WORDS["en"] for word in rest)
    return (whole, _form(rest, _has_capital)) if is_telling else (whole,)


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
    told, n_words = _told(text), len(form.line.split())
    return any(
        _line_of(told[place : place + n_words]) == form.line
        for place in range(len(told) - n_words + 1)
        if all(told[place + at] == word for at, word in form.capitals)
    )


@lru_cache(maxsize=4096)
def _line(text: str) -> str:
    return _line_of(_written(text))


def _line_of(written: Sequence[str]) -> str:
    return f" {' '.join(written).casefold()} "


@lru_cache(maxsize=1024)
def _told(text: str) -> list[str]:
    """The words of a text as they are written, but for the articles that sentences begin with."""
    return _written(_FIRST_ARTICLE.sub(r"\1a", text))


# -- answers ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MaskScore:
    """What was filled into one mask, or answered to a question without masks, against its gold.

    ``filling`` is None where its place could not be told. ``recall``, ``f1`` and ``exact`` are in [0, 1]. ``foreign``
    counts the words that the best surface lacks, as a share of that surface's words.
    """

    filling: str | None
    recall: float
    f1: float
    exact: float
    foreign: float


@dataclass(frozen=True, slots=True)
class Scores:
    """Means over the masks. ``recall`` is `span_recall`; ``per_mask`` is the recall at each mask, in order."""

    recall: float
    f1: float
    exact: float
    per_mask: tuple[float, ...]


def score(question: Question, answer: str | None) -> Scores:
    """How right an answer is: at the masks' own places, or, for a question without masks, as a whole.

    Means are summed exactly (`fmean`), so that they do not depend on which of the masks was right.
    """
    scored = score_masks(question, answer)
    return Scores(
        recall=fmean(mask.recall for mask in scored),
        f1=fmean(mask.f1 for mask in scored),
        exact=fmean(mask.exact for mask in scored),
        per_mask=tuple(mask.recall for mask in scored),
    )


def score_masks(question: Question, answer: str | None) -> list[MaskScore]:
    """Each mask's filling and how right it is; one element, the whole answer, for a question without masks.

    The best over the gold and its aliases counts. Recall compares `words`; so do F1 and exact match of what is filled
    into masks, while those of answers to other questions are SQuAD's. A filling of more than twice the gold's words
    plus two earns nothing, so that a list of candidates does not pay.
    """
    accepted = accepted_surfaces(question)
    if question.kind != "ramp":
        return [_answered(answer, surfaces) for surfaces in accepted]
    return [_filled(*place) for place in zip(_fillings(question, answer), accepted, strict=True)]


def accepted_surfaces(question: Question) -> list[list[str]]:
    """Gold and aliases of everything that is asked: of each mask, or of the question as a whole."""
    accepted = [[gold, *aliases] for gold, aliases in zip(question.gold, question.aliases, strict=True)]
    return accepted if question.kind == "ramp" else [[surface for surfaces in accepted for surface in surfaces]]


def _fillings(question: Question, answer: str | None) -> Sequence[str | None]:
    if answer is None:
        return [None] * len(question.gold)
    # Where places can be read in more than one way (neighbouring masks, repeated words), a perfect answer is still one.
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
    return MaskScore(filling, best.recall, max(overlap.f1 for overlap in paid), float(exact), best.foreign)


def _answered(answer: str | None, accepted: Sequence[str]) -> MaskScore:
    if answer is None:
        return MaskScore(None, 0.0, 0.0, 0.0, _NO_OVERLAP.foreign)
    best = max(_overlap(words(answer), words(surface)) for surface in accepted)
    given, golds = squad_words(answer), [squad_words(surface) for surface in accepted]
    f1 = max(_squad_f1(given, gold) for gold in golds)
    return MaskScore(answer, best.recall, f1, float(given in golds), best.foreign)


class _Overlap(NamedTuple):
    """Of words, as multisets. They are ordered by recall, then by how little is foreign."""

    recall: float
    native: float
    f1: float
    is_short: bool

    @property
    def foreign(self) -> float:
        return -self.native


_NO_OVERLAP = _Overlap(0.0, -math.inf, 0.0, is_short=True)


def _overlap(given: tuple[str, ...], gold: tuple[str, ...]) -> _Overlap:
    if not given or not gold:
        return _NO_OVERLAP
    shared = (Counter(given) & Counter(gold)).total()
    return _Overlap(
        recall=shared / len(gold),
        native=-(len(given) - shared) / len(gold),
        f1=2 * shared / (len(given) + len(gold)),
        is_short=len(given) <= 2 * len(gold) + 2,
    )


def _squad_f1(given: tuple[str, ...], gold: tuple[str, ...]) -> float:
    """Of two empty answers 1, as in SQuAD 2.0."""
    shared = (Counter(given) & Counter(gold)).total()
    return 2 * shared / (len(given) + len(gold)) if given and gold else float(given == gold)
