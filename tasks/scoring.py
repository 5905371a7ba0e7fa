"""How right an answer is: the one place for judge, rewards and metrics.

Everything is compared as normalised words, much as SQuAD's evaluation does (arXiv 1606.05250): Unicode NFKC, case
folded, punctuation and English articles dropped; "1,023" is "1023", "3.5" one word, "U.S." is "us", "O'Hara" "ohara".
Chinese and Japanese are compared by character.
"""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import regex

from schemas.records import Question
from tasks.alignment import align
from tasks.rollouts.protocol import MASK

__all__ = ["MaskScore", "Scores", "accepted_surfaces", "align", "holds", "score", "score_masks", "words"]

_ARTICLES = frozenset({"a", "an", "the"})
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


@lru_cache(maxsize=1024)
def words(text: str) -> tuple[str, ...]:
    """The normalised words of a text. Articles stay where there is nothing else."""
    joined = _JOINED.sub("", unicodedata.normalize("NFKC", text)).casefold()
    found = tuple(_WORD.findall(joined))
    return tuple(word for word in found if word not in _ARTICLES) or found


@lru_cache(maxsize=4096)
def _line(text: str) -> str:
    return f" {' '.join(words(text))} "


def holds(text: str, surface: str) -> bool:
    """Whether the words of ``surface`` stand in ``text``, whole and in a row; never, where it has none."""
    wanted = _line(surface)
    return not wanted.isspace() and wanted in _line(text)


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
    """How right an answer is: at the masks' own places, or, for a question without masks, as a whole."""
    scored = score_masks(question, answer)
    return Scores(
        recall=_mean(mask.recall for mask in scored),
        f1=_mean(mask.f1 for mask in scored),
        exact=_mean(mask.exact for mask in scored),
        per_mask=tuple(mask.recall for mask in scored),
    )


def score_masks(question: Question, answer: str | None) -> list[MaskScore]:
    """Each mask's filling and how right it is; one element, the whole answer, for a question without masks.

    The best over the gold and its aliases counts. A filling of more than twice the gold's words plus two earns nothing,
    so that a list of candidates does not pay.
    """
    is_ramp = question.kind == "ramp"
    fillings = _fillings(question, answer) if is_ramp else [answer]
    places = zip(fillings, accepted_surfaces(question), strict=True)
    return [_scored(filling, surfaces, length_matters=is_ramp) for filling, surfaces in places]


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


def _scored(filling: str | None, accepted: Iterable[str], *, length_matters: bool) -> MaskScore:
    given = words(filling or "")
    scored = [_overlap(given, words(surface), length_matters) for surface in accepted]
    recall, f1, exact = (max(measure) for measure in zip(*scored, strict=True))
    return MaskScore(filling, recall, f1, exact)


def _overlap(given: tuple[str, ...], gold: tuple[str, ...], length_matters: bool) -> tuple[float, float, float]:
    """(recall, F1, exact match) of words, as multisets."""
    if not given or not gold or (length_matters and len(given) > 2 * len(gold) + 2):
        return 0.0, 0.0, 0.0
    shared = sum((Counter(given) & Counter(gold)).values())
    return shared / len(gold), 2 * shared / (len(given) + len(gold)), float(given == gold)


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed)
