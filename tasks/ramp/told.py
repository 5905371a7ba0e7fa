"""What around a span tells it: its words in another form, the people of a country, a part of a compound, a sum."""

import re
from collections.abc import Collection, Iterator
from functools import cache
from itertools import combinations
from pathlib import Path

import yaml

from tasks.ramp.words import FUNCTION_WORDS, are_kin, plain_words

_MIN_WORD = 4
_MIN_SUM = 100
"""Smaller amounts are the sum of two others by chance."""
_COMPOUND_PART = 6
_ENDING = re.compile(r"(?<=.{5})(?:en|es|er|e|n|s)\Z")
_AMOUNT = re.compile(r"(?<![\d.,])\d[\d.,]*\d(?![\d.,]*\d)")


def is_told_by_words(surface: str, around: Collection[str], language: str) -> bool:
    """More than half of the words of a name or term stand around it in some form: "legislative branch" beside "the
    Legislature" and "three branches".

    Args:
        around: the plain words of the rest of the text (`plain_words`).
    """
    ignored = FUNCTION_WORDS.get(language, frozenset())
    own = [word for word in plain_words(surface) if len(word) >= _MIN_WORD and word not in ignored]
    told = sum(any(are_kin(word, other) for other in around) for word in own)
    return told > len(own) / 2


def is_told_by_people(surface: str, around: Collection[str]) -> bool:
    """A country beside its people or language, or these beside it, in English: "Spain" and "the Spanish"."""
    words = plain_words(surface)
    other_form = _peoples().get(words[-1] if words else "", frozenset())
    return not other_form.isdisjoint(around)


def is_told_by_compound(surface: str, around: Collection[str]) -> bool:
    """German: a word within a word. "Gemeinden" beside "Einheitsgemeinde", "Fernbahntunnel" beside "Tunnel".

    Of several words the last one names the thing: "Sigmund Freuds" is told by "Freuds".
    """
    words = plain_words(surface)
    if not words:
        return False
    if len(words) > 1 and surface.split()[-1:] and len(words[-1]) > _MIN_WORD and words[-1] in around:
        return True
    if len(words) > 1:
        return False
    stem = _ENDING.sub("", words[0])
    return any(
        (len(stem) > _MIN_WORD and stem in other) or (len(other) >= _COMPOUND_PART and other in words[0])
        for other in around
    )


def is_told_by_sum(amount: str, around: str, language: str) -> bool:
    """An amount that is the sum or the difference of two others: 732, where 916 and "the other 184" stand."""
    own = next(_amounts(amount, language), 0.0)
    if own < _MIN_SUM:
        return False
    pairs = combinations(_amounts(around, language), 2)
    return any(own in (one + other, abs(one - other)) for one, other in pairs)


def _amounts(text: str, language: str) -> Iterator[float]:
    thousands, point = (".", ",") if language == "de" else (",", ".")
    for found in _AMOUNT.findall(text):
        try:
            yield float(found.replace(thousands, "").replace(point, "."))
        except ValueError:  # a version, an address
            continue


@cache
def _peoples() -> dict[str, frozenset[str]]:
    """Forms that tell a word, by the word: those of the same country but itself."""
    rows = yaml.safe_load((Path(__file__).parent / "peoples.yaml").read_text())
    return {form: frozenset(row) - {form} for row in rows for form in row}
