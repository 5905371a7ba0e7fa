"""Patterns of dates, numbers and conversions in each language.

A language without an entry has the patterns that all share: years, ISO dates, and numbers in the English format.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from tasks.corpus.words import word_before

Interval = tuple[int, int]

_APART = r"(?![0-9A-Za-zÀ-ɏ])"
"""No letter or digit follows that would continue the word. Characters of scripts without spaces may follow."""
_YEAR = r"(?:1\d{3}|20\d{2})"
_YEARS = rf"{_YEAR}(?:[–-](?:{_YEAR}|\d{{2}}))?"
_ISO = r"\d{4}-\d{2}-\d{2}"

# An abbreviation needs a space or comma behind it, so that "Mar" in "Marble" does not match. The first alternative that
# matches wins, so "Sept" comes before "Sep".
_EN_MONTH = (
    r"(?:January|February|March|April|May|June|July|August|September|October|November|December"
    r"|(?:Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept|Sep|Oct|Nov|Dec)\.?(?=[ ,]))"
)
_EN_DAY = r"\d{1,2}(?:st|nd|rd|th)?"
_EN_ERA = r"(?:BCE?|CE|AD)"
# The first alternative that matches wins, so that complete dates come before their parts and bare years come last.
_EN_DATES = [
    rf"{_EN_DAY}(?:[–-]{_EN_DAY})?(?: of)? {_EN_MONTH}(?:,? {_YEAR})?",
    rf"{_EN_MONTH} {_EN_DAY}(?:[–-]{_EN_DAY})?(?:,? {_YEAR})?",
    rf"{_EN_MONTH},? {_YEAR}",
    rf"(?:\d{{1,2}}(?:st|nd|rd|th) (?:and|or|to) )?\d{{1,2}}(?:st|nd|rd|th)[ -]centur(?:y|ies)(?: {_EN_ERA})?",
    rf"\d{{1,4}}(?:[–-]\d{{1,4}})? {_EN_ERA}",
    r"AD \d{1,4}",
    r"(?:1\d|20)\d0s",
    _YEARS,
]
_DE_MONTH = r"(?:Januar|Februar|März|April|Mai|Juni|Juli|August|September|Oktober|November|Dezember)"
_DE_ERA = r"(?:v|n)\.\s?Chr\."
_DE_DATES = [
    rf"\d{{1,2}}\. {_DE_MONTH}(?: {_YEAR})?",
    rf"{_DE_MONTH} {_YEAR}",
    rf"\d{{1,2}}\. Jahrhunderts?(?: {_DE_ERA})?",
    rf"\d{{1,4}} {_DE_ERA}",
    r"(?:1\d|20)\d0er(?:[- ]Jahren?)?",
    _YEARS,
]
_ZH_DATES = [
    r"(?:\d{4}|\d{2})年代",
    r"(?:公元前|公元|西元前|西元)?\d{3,4}年(?:\d{1,2}月(?:\d{1,2}[日号號])?)?",
    r"(?:公元前|西元前)\d{1,2}年",
    r"\d{1,2}月\d{1,2}[日号號]",
    r"(?:公元前|西元前)?\d{1,2}世[纪紀]",
]

_EN_NUMBER = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?"
_DE_NUMBER = r"(?:\d{1,3}(?:\.\d{3})+|\d+)(?:,\d+)?"
_SYMBOL_UNITS = (
    "km|m|cm|mm|nm|µm|mi|ft|kg|g|mg|lb|lbs|t|ha|km2|km²|m2|m²|m3|m³|s|ms|min|h|K|Hz|kHz|MHz|GHz|W|kW|MW|GW|V|°C|°F|°"
)
_EN_UNITS = (
    f"{_SYMBOL_UNITS}|mph|percent|per cent|met(?:er|re)s?|(?:kilo|centi|milli|nano)met(?:er|re)s?|miles?|feet|foot"
    "|inch(?:es)?|yards?|acres?|hectares?|(?:kilo|milli)?grams?|kilogrammes?|pounds?|tons?|tonnes?|lit(?:er|re)s?"
    "|gallons?|degrees?|square (?:kilomet(?:er|re)s?|miles?|met(?:er|re)s?|feet)|dollars?|euros?|volts?|watts?|seconds?"
)


@dataclass(frozen=True)
class _Language:
    dates: list[str]
    number: str
    magnitudes: str
    units: str
    year_after: str
    """Words, separated by ``|``, behind which a bare year is a date and not an amount."""


_EN = _Language(
    dates=_EN_DATES,
    number=_EN_NUMBER,
    magnitudes=r" (?:hundred|thousand|million|billion|trillion)(?: (?:million|billion))?",
    units=_EN_UNITS,
    year_after=(
        "in|since|by|from|until|till|to|of|during|after|before|circa|c.|ca.|between|and|or|year|early"
        "|late|mid|through|spring|summer|autumn|winter|born|died"
    ),
)
_DE = _Language(
    dates=_DE_DATES,
    number=_DE_NUMBER,
    magnitudes=r" (?:Tausend|Millionen|Million|Milliarden|Milliarde|Mio\.|Mrd\.)",
    units=f"{_SYMBOL_UNITS}|Prozent|Meter|Kilometer|Zentimeter|Hektar|Tonnen|Kilogramm|Gramm|Liter|Grad|Quadratkilometer|Euro",
    year_after="in|im|seit|bis|von|ab|um|vor|nach|und|oder|jahr|jahre|jahres|zwischen|anfang|ende|mitte|sommer|winter",
)
_ZH = _Language(
    dates=_ZH_DATES,
    number=_EN_NUMBER,
    magnitudes="[万萬亿億千百]+",
    units=f"{_SYMBOL_UNITS}|公里|千米|米|厘米|英里|英尺|平方公里|公顷|公頃|公斤|克|吨|噸|美元|元|人|度",
    year_after="",
)
_OTHER = _Language([_YEARS], _EN_NUMBER, "(?!)", _SYMBOL_UNITS, "")
_LANGUAGES = {"en": _EN, "de": _DE, "zh": _ZH}


def _of(language: str) -> _Language:
    return _LANGUAGES.get(language, _OTHER)


@cache
def _date_pattern(language: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\d)(?:{'|'.join([_ISO, *_of(language).dates])})(?!\d)")


@cache
def _number_pattern(language: str) -> re.Pattern[str]:
    of = _of(language)
    return re.compile(
        rf"(?P<money>(?:[A-Z]{{1,3}})?[$€£¥₹] ?)?(?P<sign>[−±+](?=\d))?(?P<digits>{of.number}(?:[–-]{of.number})?)"
        rf"(?P<magnitude>{of.magnitudes})?(?P<percent> ?[%％‰]{_APART})?"
        rf"(?P<unit>[ \u00a0\u202f-]?(?:{of.units}){_APART})?"
    )


@cache
def _conversion_pattern(language: str) -> re.Pattern[str]:
    of = _of(language)
    amount = rf"(?:[^\W\d_]{{0,3}}[$€£¥₹] ?)?{of.number}(?:{of.magnitudes})?"
    unit = rf"(?:[%％°]|[ \u00a0-]?(?:{of.units}){_APART})"
    any_unit = r"(?:[ \u00a0-]?[^\W\d_°][\w²³/]*|[ \u00a0]?[%°][^\W\d_]?)"
    # In parentheses the unit may be any word: the second amount need not be in a unit of the table.
    once_more = rf"(?:[^\W\d_]{{1,8}}\.? |[~≈])?{amount}{any_unit}"
    money_again = r"[^()（）\d]{0,12}[$€£¥₹] ?\d"
    return re.compile(
        rf"{amount}{any_unit}{{0,3}} ?[(（](?:{once_more}|{money_again})[^()（）]*[)）]"
        rf"|{amount}{unit} ?(?:,|;|or|oder|/|=) ?{amount}{unit}"
    )


def dates(text: str, language: str) -> Iterator[Interval]:
    """Days, months with a year, years and spans of years, decades, centuries; bare years unless they are amounts."""
    for found in _date_pattern(language).finditer(text):
        if not re.fullmatch(_YEARS, found[0]) or _reads_as_year(text, found.start(), found.end(), language):
            yield found.span()


def _reads_as_year(text: str, start: int, end: int, language: str) -> bool:
    """Whether a bare year is a date: "in 1200 soldiers came", but not "1500 m" or "1200 soldiers"."""
    if word_before(text, start).casefold() in _of(language).year_after.split("|"):
        return unit_behind(language).match(text, end) is None
    return _counted_behind(language).match(text, end) is None


@cache
def unit_behind(language: str) -> re.Pattern[str]:
    """The pattern of a unit of measurement right behind an amount."""
    return re.compile(rf"[ \u00a0-]?(?:{_of(language).units}){_APART}")


@cache
def _counted_behind(language: str) -> re.Pattern[str]:
    """The pattern of a unit, or of a word that may be a plural."""
    return re.compile(rf"[ \u00a0-]?(?:(?:{_of(language).units})|[^\W\d_]+s){_APART}")


def numbers(text: str, language: str) -> Iterator[Interval]:
    """Amounts worth masking, without the word of their unit: "%", "$" and "million" belong to the number.

    These are amounts with a percent sign, a currency, a magnitude, a thousands or decimal mark, with three digits, or
    with two digits and a unit.
    """
    for found in _number_pattern(language).finditer(text):
        parts = found.groupdict()
        marked = any(parts[name] for name in ("money", "magnitude", "percent", "unit"))
        is_exact = re.search(r"\d[.,]\d|\d{3}", parts["digits"]) is not None
        if is_exact or (marked and (len(parts["digits"]) > 1 or not parts["unit"])):
            yield found.start(), found.start("unit") if parts["unit"] else found.end()


def conversions(text: str, language: str) -> list[Interval]:
    """Amounts repeated in another unit: "1,023 metres (3,356 ft)", "£10 million ($13 million)", "5 km or 3 mi"."""
    return [found.span() for found in _conversion_pattern(language).finditer(text)]
