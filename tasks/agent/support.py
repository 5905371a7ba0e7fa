"""Which of the passages that a question set names as evidence a search has shown.

A passage of the corpus is a supporting one if it has the same title and, where the set gives the text, the same text,
whole or in part: a corpus may cut pages elsewhere than the set, or come from another dump.
"""

import html
import unicodedata
from collections.abc import Sequence

from retrieval_index.hits import Hit
from schemas.records import Search, Support
from tasks.agent.scoring import words

LEAST_SHARED = 0.5
"""The share of the shorter text's runs of three words that the other text must contain."""


def support_among(shown: Sequence[Hit], supports: Sequence[Support]) -> list[int]:
    """The places in ``supports`` of those that are among the passages."""
    return [place for place, support in enumerate(supports) if any(_is_of(hit, support) for hit in shown)]


def support_recall(supports: Sequence[Support], searches: Sequence[Search]) -> float | None:
    """The share of the supporting passages that the searches have shown; None for a question without such passages."""
    if not supports:
        return None
    return len({place for search in searches for place in search.support}) / len(supports)


def _is_of(hit: Hit, support: Support) -> bool:
    if _folded(hit.title) != _folded(support.title):
        return False
    return support.text is None or _is_same(words(hit.text), words(support.text))


def _folded(title: str) -> str:
    """A title without the differences between sets: entities of HTML, underscores, capitals."""
    plain = unicodedata.normalize("NFKC", html.unescape(title)).replace("_", " ")
    return " ".join(plain.split()).casefold()


def _is_same(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    shorter, longer = sorted((_runs(one), _runs(other)), key=len)
    return len(shorter & longer) >= LEAST_SHARED * len(shorter) if shorter else one == other


def _runs(text: tuple[str, ...]) -> set[tuple[str, ...]]:
    return set(zip(text, text[1:], text[2:], strict=False))
