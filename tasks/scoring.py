"""How right an answer is: the one place for judge, rewards and metrics.

Texts are compared by their words: Unicode NFKC, case folded, without punctuation; "1,023" is "1023", "3.5" one word,
"U.S." is "us", "O'Hara" "ohara". Chinese and Japanese are compared by character. English articles are another matter in
each of three places:

    `words`        what is filled into masks: span recall, F1 and exact match of RAMP questions, hence their judge and
                   rewards. An article in front of it is dropped, every other one stays: "Serie A" is not "Serie B".
    `squad_words`  answers to QA questions, whose F1 and exact match are those of SQuAD's evaluation (arXiv 1606.05250),
                   and runs of words shared with evaluation sets: every article is dropped.
    `holds`        whether a text states a value: as evidence, as an answer in sight, as support of an answer, as what
                   random passages must not tell. Every article stays, but one in front of the value may be missing in
                   the text; and capitals count where without them another word would do.
"""

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import fmean
from typing import NamedTuple

import regex

from schemas.records import Question
from tasks.alignment import align
from tasks.ramp.words import FUNCTION_WORDS
from tasks.rollouts.protocol import MASK

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
_LEADING_ARTICLE = regex.compile(r"\W*+(?:[Tt]he|an?|An|A(?!\s+\p{Ll}+\W*\Z))\s++\W*+\w")
"""Of a value. "A minor" begins with a letter, and so does "A-ha"."""
_FIRST_ARTICLE = regex.compile(r"(\A\W*|[.!?…:;]['\"”’)\]]*\s+)A(?=\s)")
"""The beginning of a sentence of a text: its "A" is the article."""


def words(text: str) -> tuple[str, ...]:
    """The words of what is filled into a mask, without an article in front, unless there are only articles."""
    found = _folded(text)
    return found[1:] if _has_leading_article(text) else found


def squad_words(text: str) -> tuple[str, ...]:
    """The words of an answer to a QA question, without articles, unless there are only articles."""
    found = _folded(text)
    return tuple(word for word in found if word not in ARTICLES) or found


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
    """One mask's filling (None where its place could not be told) against its gold; each measure is in [0, 1]."""

    filling: str | None
    recall: float
    f1: float
    exact: float


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

    The best over the gold and its aliases counts. Fillings are compared by `words`, answers to other questions by
    `squad_words`. A filling of more than twice the gold's words plus two earns nothing,
    so that a list of candidates does not pay.
    """
    is_ramp = question.kind == "ramp"
    fillings = _fillings(question, answer) if is_ramp else [answer]
    places = zip(fillings, accepted_surfaces(question), strict=True)
    return [_scored(filling, surfaces, is_ramp) for filling, surfaces in places]


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


def _scored(filling: str | None, accepted: Iterable[str], is_ramp: bool) -> MaskScore:
    words_of = words if is_ramp else squad_words
    given = words_of(filling or "")
    scored = [_overlap(given, words_of(surface), length_matters=is_ramp) for surface in accepted]
    recall, f1, exact = (max(measure) for measure in zip(*scored, strict=True))
    return MaskScore(filling, recall, f1, exact)


def _overlap(given: tuple[str, ...], gold: tuple[str, ...], *, length_matters: bool) -> tuple[float, float, float]:
    """(recall, F1, exact match) of words, as multisets."""
    if not given or not gold or (length_matters and len(given) > 2 * len(gold) + 2):
        return 0.0, 0.0, 0.0
    shared = sum((Counter(given) & Counter(gold)).values())
    return shared / len(gold), 2 * shared / (len(given) + len(gold)), float(given == gold)
