"""Dates and amounts that others around them reveal: by their parts, as a sum, a share, a difference in years, or as a
step in an even row."""

import re
from collections.abc import Iterator
from itertools import accumulate, chain, combinations, pairwise, permutations

from tasks.corpus.words import plain_words

_MIN_SUM = 100
"""Smaller amounts are often the sum of two others by chance."""
_ROUNDING = 1e-6
_YEAR = re.compile(r"(?:1\d|20)\d\d")
# The years right before and right behind a date in a row, joined by a comma, "and" or "or" in any of the languages.
_ROW_BEFORE = re.compile(rf"(?:\b{_YEAR.pattern}(?:, (?:and |or )?| and | or | und | oder |、|和))*\Z")
_ROW_BEHIND = re.compile(rf"(?:(?:, (?:and |or )?| and | or | und | oder |、|和){_YEAR.pattern}\b)*")
# A year and not a part of a longer number: "1,998.5" and "1998,5" do not match.
_YEAR_ALONE = re.compile(rf"(?<![\d.,]){_YEAR.pattern}(?![.,]?\d)")
_NUMBERS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
_APART_WORDS = r"(?:years (?:earlier|before|later|after)|Jahre (?:später|zuvor|danach|vorher))"
_APART = re.compile(rf"\b(\d{{1,3}}|{'|'.join(_NUMBERS[2:])}) {_APART_WORDS}\b", re.IGNORECASE)
"""From two years: too many years are one year apart by chance."""
_SHARE = re.compile(r"(?<![\d.,])(\d+(?:[.,]\d+)?) ?%")
_MILLIONS = {"en": ("thousand", "million", "billion"), "de": ("tausend", "Millionen", "Milliarden")}
_LARGE = {word.casefold(): 1000.0**power for words in _MILLIONS.values() for power, word in enumerate(words, start=1)}
_LARGE |= {"万": 1e4, "萬": 1e4, "亿": 1e8, "億": 1e8}
_COUNT = re.compile(rf"(?<![\d.,])(\d(?:[\d.,]*\d)?)(?:[ -]?({'|'.join(_LARGE)}))?", re.IGNORECASE)
_MIN_COUNT = 1000
"""Smaller amounts are not written with a word for thousands or millions."""
_AMOUNT = re.compile(r"(?<![\d.,])\d[\d.,]*\d(?![\d.,]*\d)")


def is_revealed_by_dates(date: str, before: str, behind: str) -> bool:
    """Whether the text around a date reveals it.

    It does if it has all parts of the date; if a year is a step in an even row of years, 2011 in "2009, … and 2013"; or
    if it states the distance to another year: "10 years earlier in 1988" for 1998.

    Args:
        before, behind: the text on either side of the date.
    """
    parts = plain_words(date)
    if len(parts) > 1:
        return set(parts) <= set(plain_words(f"{before} {behind}"))
    if _YEAR.fullmatch(date) is None:
        return False
    if _is_years_apart(int(date), f"{before} {behind}"):
        return True
    row = [*_years(_ROW_BEFORE.search(before))[-2:], int(date), *_years(_ROW_BEHIND.match(behind))[:2]]
    steps = [later - earlier for earlier, later in pairwise(row)]
    return any(one == other for one, other in pairwise(steps))


def _is_years_apart(year: int, around: str) -> bool:
    numbers = [number.casefold() for number in _APART.findall(around)]
    apart = {int(number) if number.isdigit() else _NUMBERS.index(number) for number in numbers}
    others = {int(other) for other in _YEAR_ALONE.findall(around)}
    return any(abs(year - other) in apart for other in others)


def _years(row: re.Match[str] | None) -> list[int]:
    return [] if row is None else [int(year) for year in _YEAR.findall(row[0])]


def is_revealed_by_digits(amount: str, around: str, language: str) -> bool:
    """Whether the text has an amount's digits without its sign or unit, "north of 37°" for "37°N", or the amount in
    another form, "4.4 million" for "4,400,000".
    """
    digits = re.sub(r"\D+\Z|\A\D+", "", amount)
    if len(digits) > 1 and re.search(rf"(?<![\d.,]){re.escape(digits)}(?![.,]?\d)", around):
        return True
    own, *further = _counts(amount, language)
    is_range = bool(further)
    return own >= _MIN_COUNT and not is_range and any(abs(own - other) < 1 for other in _counts(around, language))


def is_revealed_by_sum(amount: str, around: str, language: str) -> bool:
    """Whether other amounts in the text give an amount.

    They may give a difference, 732 with 916 and "the other 184"; a total of listed amounts; the rest of a hundred
    percent, 95% with 5%; or a share, 1.66% with an increase of 79,243 to 4,858,979.
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
    totals = [sums[end] - sums[start] for start, end in combinations(range(len(sums)), 2)]
    rests = (100 - total for total in totals if is_share)
    return any(abs(own - given) < _ROUNDING for given in chain(pairs, set(totals) - set(others), rests))


def _is_share_of(amount: str, share: float, amounts: list[float]) -> bool:
    """Whether a share is that of one amount in another, or in the other amount before it grew by the first.

    Shares with fewer than three digits agree too often by chance.
    """
    digits = re.sub(r"\D", "", amount).lstrip("0")
    if len(digits) < 3:
        return False
    places = len(re.sub(r"\D", "", re.split(r"[.,]", amount)[-1])) if re.search(r"\d[.,]\d", amount) else 0
    return any(
        round(100 * part / whole, places) == share
        for part, total in permutations(amounts, 2)
        for whole in (total, total - part)
        if 0 < part < whole
    )


def _counts(text: str, language: str) -> Iterator[float]:
    """The amounts of a text, each multiplied by a word for thousands or millions behind it."""
    for found in _COUNT.finditer(text):
        if (value := _value(found[1], language)) is not None:
            yield value * _LARGE.get((found[2] or "").casefold(), 1)


def _amounts(text: str, language: str, is_share: bool) -> Iterator[float]:
    for found in (_SHARE if is_share else _AMOUNT).findall(text):
        if (value := _value(found, language)) is not None:
            yield value


def _value(digits: str, language: str) -> float | None:
    """The number that is written so; None for a version or an address."""
    thousands, point = (".", ",") if language == "de" else (",", ".")
    try:
        return float(digits.replace(thousands, "").replace(point, "."))
    except ValueError:
        return None
