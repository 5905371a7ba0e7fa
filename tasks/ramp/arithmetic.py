"""Dates and amounts that others around them give: by their parts, in even steps, as a sum, a share or years apart."""

import re
from collections.abc import Iterator
from itertools import accumulate, chain, combinations, pairwise, permutations

from tasks.corpus.words import plain_words

_MIN_SUM = 100
"""Smaller amounts are the sum of two others by chance."""
_ROUNDING = 1e-6
_YEAR = re.compile(r"(?:1\d|20)\d\d")
_ROW_BEFORE = re.compile(rf"(?:\b{_YEAR.pattern}(?:, (?:and |or )?| and | or | und | oder |、|和))*\Z")
_ROW_BEHIND = re.compile(rf"(?:(?:, (?:and |or )?| and | or | und | oder |、|和){_YEAR.pattern}\b)*")
_YEAR_ALONE = re.compile(rf"(?<![\d.,]){_YEAR.pattern}(?![.,]?\d)")
_NUMBERS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
_APART_WORDS = r"(?:years (?:earlier|before|later|after)|Jahre (?:später|zuvor|danach|vorher))"
_APART = re.compile(rf"\b(\d{{1,3}}|{'|'.join(_NUMBERS[2:])}) {_APART_WORDS}\b", re.IGNORECASE)
"""One year apart are too many by chance."""
_SHARE = re.compile(r"(?<![\d.,])(\d+(?:[.,]\d+)?) ?%")
_MILLIONS = {"en": ("thousand", "million", "billion"), "de": ("tausend", "Millionen", "Milliarden")}
_LARGE = {word.casefold(): 1000.0**power for words in _MILLIONS.values() for power, word in enumerate(words, start=1)}
_LARGE |= {"万": 1e4, "萬": 1e4, "亿": 1e8, "億": 1e8}
_COUNT = re.compile(rf"(?<![\d.,])(\d(?:[\d.,]*\d)?)(?:[ -]?({'|'.join(_LARGE)}))?", re.IGNORECASE)
_MIN_COUNT = 1000
"""Smaller amounts are told as they are."""
_AMOUNT = re.compile(r"(?<![\d.,])\d[\d.,]*\d(?![\d.,]*\d)")


def is_told_by_dates(date: str, before: str, behind: str) -> bool:
    """A date all of whose parts stand around it; a year of a row of years in even steps, 2011 in "2009, … and 2013"; or
    a year so far from another as is said: 1998, where something was "10 years earlier in 1988".

    Args:
        before, behind: the text on either side of it.
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


def is_told_by_figure(amount: str, around: str, language: str) -> bool:
    """An amount whose digits stand there without its sign or unit, "37°N" beside "north of 37°", or that is told there
    in another form: "4,400,000" beside "4.4 million".
    """
    digits = re.sub(r"\D+\Z|\A\D+", "", amount)
    if len(digits) > 1 and re.search(rf"(?<![\d.,]){re.escape(digits)}(?![.,]?\d)", around):
        return True
    own, *further = _counts(amount, language)
    is_range = bool(further)
    return own >= _MIN_COUNT and not is_range and any(abs(own - other) < 1 for other in _counts(around, language))


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
    totals = [sums[end] - sums[start] for start, end in combinations(range(len(sums)), 2)]
    rests = (100 - total for total in totals if is_share)
    return any(abs(own - told) < _ROUNDING for told in chain(pairs, set(totals) - set(others), rests))


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


def _counts(text: str, language: str) -> Iterator[float]:
    """Amounts, each with the word for thousands or millions behind it."""
    for found in _COUNT.finditer(text):
        if (value := _value(found[1], language)) is not None:
            yield value * _LARGE.get((found[2] or "").casefold(), 1)


def _amounts(text: str, language: str, is_share: bool) -> Iterator[float]:
    for found in (_SHARE if is_share else _AMOUNT).findall(text):
        if (value := _value(found, language)) is not None:
            yield value


def _value(digits: str, language: str) -> float | None:
    """None where they are a version, or an address."""
    thousands, point = (".", ",") if language == "de" else (",", ".")
    try:
        return float(digits.replace(thousands, "").replace(point, "."))
    except ValueError:
        return None
