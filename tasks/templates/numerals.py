"""Numbers as a wiki writes them: separators and groups by language (numerals.yaml), powers, English number words.

The rules are those of MediaWiki's ``formatnum``, with plain spaces instead of its no-break spaces.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

_PLAIN = re.compile(r"([+\-−]?)(\d*)(?:\.(\d+))?")
_SCIENTIFIC = re.compile(r"([+\-−]?[\d.,]*\d)[eE]([+\-−]?\d+)")
# A fraction with or without a whole number before it. In {{convert}} two slashes stand for a horizontal bar.
_MIXED = re.compile(r"([+\-−]?)(?:([\d,]+)[+\-−])?(\d+)//?(\d+)")
_SUPERSCRIPTS = str.maketrans("0123456789+-−–=()n", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁻⁼⁽⁾ⁿ")
_SUBSCRIPTS = str.maketrans("0123456789+-−–=()", "₀₁₂₃₄₅₆₇₈₉₊₋₋₋₌₍₎")


@dataclass(frozen=True)
class Numerals:
    """How a wiki writes numbers."""

    group: str = ","
    """Between groups of digits."""
    decimal: str = "."
    """Before the decimals."""
    shortest: int = 1
    """The fewest digits of the first group: with 2, four digits stay together."""
    size: int = 3
    """Digits of each group except the last, which has three; 2 in India."""
    digits: str = ""
    """The ten digits of another script; empty for 0 to 9."""

    def grouped(self, number: str) -> str:
        """``1234567.8`` with the wiki's separators; text that is not a number with a decimal point is left as it is.

        Fractions and powers of ten are written out: ``2+1/2`` is "2 1/2", ``1.5e6`` "1.5×10⁶".
        """
        number = number.strip()
        if found := _PLAIN.fullmatch(number):
            sign, whole, decimals = found[1], found[2], found[3]
            if not whole and not decimals:
                return number
            return self.written(f"{_minus(sign)}{self._in_groups(whole)}{self.decimal + decimals if decimals else ''}")
        if found := _SCIENTIFIC.fullmatch(number):
            return f"{self.grouped(found[1])}×10{raised_digits(found[2])}"
        if found := _MIXED.fullmatch(number):
            whole = f"{self.grouped(found[2].replace(',', ''))} " if found[2] else ""
            return f"{_minus(found[1])}{whole}{found[3]}/{found[4]}"
        return number.replace("-", "−", 1) if number[:1] == "-" and number[1:2].isdigit() else number

    def ungrouped(self, number: str) -> str:
        """A number with the wiki's separators as a plain number with a decimal point."""
        return number.replace(self.group, "").replace(self.decimal, ".")

    def written(self, number: str) -> str:
        """The number in the wiki's digits."""
        return number.translate(str.maketrans("0123456789", self.digits)) if self.digits else number

    def _in_groups(self, digits: str) -> str:
        if len(digits) < 3 + self.shortest or digits[0] == "0":
            return digits
        groups, rest = [digits[-3:]], digits[:-3]
        while rest:
            groups.append(rest[-self.size :])
            rest = rest[: -self.size]
        return self.group.join(reversed(groups))


def _minus(sign: str) -> str:
    return sign.replace("-", "−")


@lru_cache(maxsize=1)
def _data() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("numerals.yaml").read_text("utf-8"))
    return rows


@lru_cache(maxsize=64)
def numerals_of(language: str) -> Numerals:
    """The rules of a wiki; the English rules for a wiki that is not in the table."""
    fields: dict[str, Any] = {}
    for row in _data():
        if language in str(row["wikis"]).split():
            fields |= {name: value for name, value in row.items() if name != "wikis"}
    return Numerals(**fields)


def raised_digits(text: str) -> str:
    """The text with digits and signs as superscripts; other characters stay."""
    return text.translate(_SUPERSCRIPTS)


def lowered_digits(text: str) -> str:
    return text.translate(_SUBSCRIPTS)


_SMALL = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_LARGE = ((1_000_000_000, "billion"), (1_000_000, "million"), (1_000, "thousand"), (100, "hundred"))


def spelled(number: int) -> str:
    """A number from zero in English words: "two hundred and five"."""
    if number < 20:
        return _SMALL[number]
    if number < 100:
        return _TENS[number // 10] + (f"-{_SMALL[number % 10]}" if number % 10 else "")
    size, name = next((size, name) for size, name in _LARGE if number >= size)
    above, rest = divmod(number, size)
    joiner = " and " if rest < 100 else " "
    return f"{spelled(above)} {name}" + (f"{joiner}{spelled(rest)}" if rest else "")


def ordinal(number: int) -> str:
    """ "21st"."""
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
