"""Whether the text around a span has its words in another form: an inflection, a country's people, a compound.

The rules of masking (spans.py) refuse such a span. alike.py and arithmetic.py have the rules for other names and for
numbers; giveaways.py flags masks whose answer is visible although the rules let them pass.
"""

import re
from collections.abc import Collection
from functools import cache
from pathlib import Path

import yaml
from rapidfuzz.distance import Levenshtein, Prefix

from tasks.corpus.words import FUNCTION_WORDS, are_kin, plain_words

_MIN_WORD = 4
_COMPOUND_PART = 6
# A short form is one word in parentheses of either width; it may have stops and digits: "(U.S.)", "(G20)".
_SHORT_BEHIND = re.compile(r" ?[(（]([^\W\d_][\w.]{1,7})[)）]")
_LONGEST_NAME = 80
# German endings of inflection, which are removed only if five letters remain: shorter stems are in too many words.
_ENDING = re.compile(r"(?<=.{5})(?:en|es|er|e|n|s)\Z")


def is_revealed_by_words(surface: str, around: Collection[str], language: str) -> bool:
    """Whether the text around a name or term has more than half of its words in some form.

    "legislative branch" is revealed by "the Legislature" and "three branches".

    Args:
        around: the plain words of the rest of the text (`plain_words`).
    """
    ignored = FUNCTION_WORDS.get(language, frozenset())
    words = surface.split()
    named = words[:-1] if len(words) > 1 and words[-1].islower() and not words[0].islower() else words  # "Kerr effect"
    own = [word for word in plain_words(" ".join(named)) if len(word) >= _MIN_WORD and word not in ignored]
    n_revealed = sum(any(_are_forms(word, other) for other in around) for word in own)
    return n_revealed > len(own) / 2


def _are_forms(one: str, other: str) -> bool:
    """Whether two words are kin or differ in spelling: "Actium" and "Actian", "Carnaval" and "Carnival"."""
    shorter = min(len(one), len(other))
    if are_kin(one, other) or Prefix.similarity(one, other) >= max(4, 0.6 * shorter):
        return True
    edits = (shorter >= 6) + (shorter >= 9)
    return one[:1] == other[:1] and edits > 0 and Levenshtein.distance(one, other, score_cutoff=edits) <= edits


def is_revealed_by_other_form(surface: str, around: Collection[str]) -> bool:
    """Whether a form of the word that begins with other letters is around it: "the Spanish" for "Spain", "lunar" for
    "Moon". English only.
    """
    words = plain_words(surface)
    other_form = _forms().get(words[-1] if words else "", frozenset())
    return not other_form.isdisjoint(around)


def is_revealed_by_short_form(surface: str, before: str, behind: str) -> bool:
    """Whether a name has its short form in parentheses behind it, or the reverse: "Technische Hilfswerk (THW)"."""
    short = _SHORT_BEHIND.match(behind)
    if short is not None:
        return _abbreviates(short[1], surface)
    return behind.startswith(")") and before.endswith("(") and _abbreviates(surface, before[-_LONGEST_NAME:])


def _abbreviates(short: str, name: str) -> bool:
    """Whether a name contains the letters of a short form in order. A short form has at least two capitals."""
    letters = iter(name.casefold())
    return sum(map(str.isupper, short)) > 1 and all(letter in letters for letter in short.casefold() if letter != ".")


def is_revealed_by_compound(surface: str, around: Collection[str]) -> bool:
    """Whether a German word is part of a word around it, or the reverse.

    "Gemeinden" is revealed by "Einheitsgemeinde", "Fernbahntunnel" by "Tunnel". The last of several words counts as the
    name: "Sigmund Freuds" is revealed by "Freuds".
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
    """The other forms in a word's row of word_forms.yaml, by word."""
    rows = yaml.safe_load((Path(__file__).parent / "word_forms.yaml").read_text())
    return {form: frozenset(row) - {form} for row in rows for form in row}
