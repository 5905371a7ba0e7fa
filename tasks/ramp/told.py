"""What around a span tells it: its words in another form, a country's people, part of a compound."""

import re
from collections.abc import Collection
from functools import cache
from pathlib import Path

import yaml
from rapidfuzz.distance import Levenshtein, Prefix

from tasks.corpus.words import FUNCTION_WORDS, are_kin, plain_words

_MIN_WORD = 4
_COMPOUND_PART = 6
_SHORT_BEHIND = re.compile(r" ?[(（]([^\W\d_][\w.]{1,7})[)）]")
_LONGEST_NAME = 80
_ENDING = re.compile(r"(?<=.{5})(?:en|es|er|e|n|s)\Z")


def is_told_by_words(surface: str, around: Collection[str], language: str) -> bool:
    """More than half of the words of a name or term stand around it in some form: "legislative branch" beside "the
    Legislature" and "three branches".

    Args:
        around: the plain words of the rest of the text (`plain_words`).
    """
    ignored = FUNCTION_WORDS.get(language, frozenset())
    words = surface.split()
    named = words[:-1] if len(words) > 1 and words[-1].islower() and not words[0].islower() else words  # "Kerr effect"
    own = [word for word in plain_words(" ".join(named)) if len(word) >= _MIN_WORD and word not in ignored]
    told = sum(any(_are_forms(word, other) for other in around) for word in own)
    return told > len(own) / 2


def _are_forms(one: str, other: str) -> bool:
    """Kin, or spelt in another way: "Actium" and "Actian", "Carnaval" and "Carnival"."""
    shorter = min(len(one), len(other))
    if are_kin(one, other) or Prefix.similarity(one, other) >= max(4, 0.6 * shorter):
        return True
    slips = (shorter >= 6) + (shorter >= 9)
    return one[:1] == other[:1] and slips > 0 and Levenshtein.distance(one, other, score_cutoff=slips) <= slips


def is_told_by_other_form(surface: str, around: Collection[str]) -> bool:
    """A word beside a form of it that begins otherwise, in English: "Spain" and "the Spanish", "Moon" and "lunar"."""
    words = plain_words(surface)
    other_form = _forms().get(words[-1] if words else "", frozenset())
    return not other_form.isdisjoint(around)


def is_told_by_short_form(surface: str, before: str, behind: str) -> bool:
    """A name beside its short form in parentheses, or this beside the name: "Technische Hilfswerk (THW)"."""
    short = _SHORT_BEHIND.match(behind)
    if short is not None:
        return _abbreviates(short[1], surface)
    return behind.startswith(")") and before.endswith("(") and _abbreviates(surface, before[-_LONGEST_NAME:])


def _abbreviates(short: str, name: str) -> bool:
    """Whether the letters of a short form, at least two of them capitals, stand in a name in their order."""
    letters = iter(name.casefold())
    return sum(map(str.isupper, short)) > 1 and all(letter in letters for letter in short.casefold() if letter != ".")


def is_told_by_compound(surface: str, around: Collection[str]) -> bool:
    """German: a word within a word. "Gemeinden" beside "Einheitsgemeinde", "Fernbahntunnel" beside "Tunnel".

    Of several words the last one names the thing: "Sigmund Freuds" is told by "Freuds".
    """
    *others, last = plain_words(surface) or [""]
    stem = _ENDING.sub("", last)
    if others:
        return len(last) > _MIN_WORD and not {last, f"{last}s", f"{last}es", stem}.isdisjoint(around)
    return any(
        (len(stem) > _MIN_WORD and stem in other) or (len(other) >= _COMPOUND_PART and other in last)
        for other in around
    )


@cache
def _forms() -> dict[str, frozenset[str]]:
    """Forms that tell a word, by the word: those of its row in forms.yaml but itself."""
    rows = yaml.safe_load((Path(__file__).parent / "forms.yaml").read_text())
    return {form: frozenset(row) - {form} for row in rows for form in row}
