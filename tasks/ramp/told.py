"""What around a span tells it: its words in another form, a country's people, part of a compound, other figures."""

import re
from collections.abc import Collection, Iterator
from functools import cache
from itertools import accumulate, chain, combinations, pairwise, permutations
from pathlib import Path

import yaml
from rapidfuzz.distance import Levenshtein, Prefix

from tasks.ramp.words import FUNCTION_WORDS, are_kin, plain_words

_MIN_WORD = 4
_MIN_SUM = 100
"""Smaller amounts are the sum of two others by chance."""
_COMPOUND_PART = 6
_SHORT_BEHIND = re.compile(r" ?[(（]([^\W\d_][\w.]{1,7})[)）]")
_LONGEST_NAME = 80
_ENDING = re.compile(r"(?<=.{5})(?:en|es|er|e|n|s)\Z")
_YEAR = re.compile(r"(?:1\d|20)\d\d")
_ROW_BEFORE = re.compile(rf"(?:\b{_YEAR.pattern}(?:, (?:and |or )?| and | or | und | oder |、|和))*\Z")
_ROW_BEHIND = re.compile(rf"(?:(?:, (?:and |or )?| and | or | und | oder |、|和){_YEAR.pattern}\b)*")
_SHARE = re.compile(r"(?<![\d.,])(\d+(?:[.,]\d+)?) ?%")
_AMOUNT = re.compile(r"(?<![\d.,])\d[\d.,]*\d(?![\d.,]*\d)")


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


def is_told_by_people(surface: str, around: Collection[str]) -> bool:
    """A country beside its people or language, or these beside it, in English: "Spain" and "the Spanish"."""
    words = plain_words(surface)
    other_form = _peoples().get(words[-1] if words else "", frozenset())
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
    if others:
        return len(last) > _MIN_WORD and not {last, f"{last}s", f"{last}es"}.isdisjoint(around)
    stem = _ENDING.sub("", last)
    return any(
        (len(stem) > _MIN_WORD and stem in other) or (len(other) >= _COMPOUND_PART and other in last)
        for other in around
    )


def is_told_by_dates(date: str, before: str, behind: str) -> bool:
    """A date all of whose parts stand around it, or a year of a row of years in even steps: 2011 in "2009, … and 2013".

    Args:
        before, behind: the text on either side of it.
    """
    parts = plain_words(date)
    if len(parts) > 1:
        return set(parts) <= set(plain_words(f"{before} {behind}"))
    if _YEAR.fullmatch(date) is None:
        return False
    row = [*_years(_ROW_BEFORE.search(before))[-2:], int(date), *_years(_ROW_BEHIND.match(behind))[:2]]
    steps = [later - earlier for earlier, later in pairwise(row)]
    return any(one == other for one, other in pairwise(steps))


def _years(row: re.Match[str] | None) -> list[int]:
    return [] if row is None else [int(year) for year in _YEAR.findall(row[0])]


def is_told_by_figure(amount: str, around: str) -> bool:
    """An amount whose digits stand there without its sign or unit: "37°N" beside "north of 37°"."""
    digits = re.sub(r"\D+\Z|\A\D+", "", amount)
    return len(digits) > 1 and re.search(rf"(?<![\d.,]){re.escape(digits)}(?![.,]?\d)", around) is not None


def is_told_by_sum(amount: str, around: str, language: str) -> bool:
    """An amount that others give: 732 where 916 and "the other 184" stand, a total of what is listed, 95% beside 5%, or
    1.66% beside an increase of 79,243 to 4,858,979.
    """
    is_share = "%" in amount
    own = next(_amounts(amount, language, is_share), 0.0)
    if is_share and _is_share_of(amount, own, list(_amounts(around, language, is_share=False))):
        return True
    if own < (2 if is_share else _MIN_SUM):
        return False
    others = list(_amounts(around, language, is_share))
    sums = [0.0, *accumulate(others)]
    pairs = chain.from_iterable((one + other, abs(one - other)) for one, other in combinations(others, 2))
    totals = (sums[end] - sums[start] for start, end in combinations(range(len(sums)), 2) if end - start > 1)
    return own in {*pairs, *totals, *(100 - other for other in others if is_share)}


def _is_share_of(amount: str, share: float, figures: list[float]) -> bool:
    """Whether a share is that of one figure in another, or in what the other was before it grew by the first one.

    Shares of less than three digits are so by chance.
    """
    digits = re.sub(r"\D", "", amount).lstrip("0")
    if len(digits) < 3:
        return False
    places = len(re.sub(r"\D", "", re.split(r"[.,]", amount)[-1])) if re.search(r"\d[.,]\d", amount) else 0
    return any(
        round(100 * part / whole, places) == share
        for part, total in permutations(figures, 2)
        for whole in (total, total - part)
        if 0 < part < whole
    )


def _amounts(text: str, language: str, is_share: bool) -> Iterator[float]:
    thousands, point = (".", ",") if language == "de" else (",", ".")
    for found in (_SHARE if is_share else _AMOUNT).findall(text):
        try:
            yield float(found.replace(thousands, "").replace(point, "."))
        except ValueError:  # a version, an address
            continue


@cache
def _peoples() -> dict[str, frozenset[str]]:
    """Forms that tell a word, by the word: those of the same country but itself."""
    rows = yaml.safe_load((Path(__file__).parent / "peoples.yaml").read_text())
    return {form: frozenset(row) - {form} for row in rows for form in row}
