"""{{convert}}: the measured value with its unit, "1,023 metres".

The converted value is not shown: the template computes it, and a second value of the same fact would give away the
first when that is masked. A call with an unknown joiner or unit, or that shows only the converted value, is a marked
loss: a wrong unit would be worse.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import yaml

from tasks.templates.arguments import Arguments
from tasks.templates.numerals import Numerals, spelled

Units = Mapping[str, list[str]]
"""Singular and plural names by code."""

# A number in any form that {{convert}} takes: with separators, an exponent, or a fraction. Fractions are `2+1/2` or,
# with a horizontal bar, `2+1//2`; a fraction character ends a number (`2½`).
_AMOUNT = re.compile(
    r"[+\-−]?(?:[\d.,]*\d[\d.,]*(?:[eE][+\-−]?\d+)?(?:[+\-−]\d+//?\d+|//?\d+)?|\.\d+)|[+\-−]?[\d,]*[¼½¾⅓⅔⅛⅜⅝⅞]"
)
_JOINERS = {
    "-": "–",
    "–": "–",
    "to": " to ",
    "to-": " to ",
    "to(-)": " to ",
    "to about": " to about ",
    "and": " and ",
    "and(-)": " and ",
    "and about": " and about ",
    "&": " and ",
    "or": " or ",
    "or(-)": " or ",
    "and/or": " and/or ",
    "by": " by ",
    "by(x)": " by ",
    "x": " by ",
    "xx": " × ",
    "×": " × ",
    "x(-)": " × ",
    "*": " × ",
    "+": " + ",
    "+/-": " ± ",
    "±": " ± ",
    ",": ", ",
    ", and": ", and ",
    ", or": ", or ",
}
# A range in one parameter, `5-10`. A hyphen separates two amounts only if the text behind it is a plain number to the
# end; otherwise it is the sign of an exponent (`1e-5`) or of a fraction (`2-1/2`).
_IN_ONE = re.compile(r"(?<=[\d½¼¾])\s*(–|x|×|(?<![eE])-(?=\d+(?:\.\d+)?$)|to|and|or|by|±|\+/-)\s*(?=[\d.])")
_PARTS = {
    "mi": ("yd", "ft", "chain", "fur", "furlong"),
    "yd": ("ft", "in"),
    "ft": ("in",),
    "foot": ("in",),
    "lb": ("oz",),
    "st": ("lb",),
    "LT": ("cwt", "qtr", "lb"),
    "long ton": ("cwt", "qtr", "lb"),
    "cwt": ("qtr", "lb"),
    "km": ("m",),
    "m": ("cm",),
}
"""Smaller units that may follow a unit in the same amount: ``{{convert|5|ft|6|in}}``."""
_SCALES = {"e3": "thousand", "e6": "million", "e9": "billion", "e12": "trillion"}
_SCALED = re.compile(r"(e(?:3|6|9|12))(.+)")
_OF_CONVERTED = frozenset({"out", "output only", "output number only", "number", "unit2", "u2"})
_WORD = re.compile("[a-z]")
# The spaces on either side of a joiner that is a word: `5 to 10` becomes `5-to-10` before a hyphen. Lookbehinds of
# Python have one width, hence one alternative for "and".
_JOINING_WORD = re.compile(r" (?=(?:to|by|or|and)\b)|(?<=\bto|\bby|\bor) |(?<=\band) ")
_WITHOUT_WORDS = (
    *(
        "abbr",
        "lk",
        "sp",
        "disp",
        "order",
        "sortable",
        "sigfig",
        "round",
        "num",
        "debug",
        "qid",
        "qual",
        "prec",
        "frac",
    ),
    *(
        "sing",
        "style",
        "stylein",
        "styleout",
        "warnings",
        "lang",
        "mos",
        "adj",
        "comma",
        "spell",
        "input",
        "cite",
        "link",
    ),
)


@lru_cache(maxsize=1)
def english_units() -> Units:
    units: Units = yaml.safe_load(Path(__file__).with_name("units.yaml").read_text("utf-8"))
    return units


@dataclass(frozen=True)
class Wording:
    """How a wiki writes quantities: names of units, numbers, and the shape of both together ("{} {}")."""

    units: Units
    numerals: Numerals
    shape: str = "{} {}"


def convert(arguments: Arguments, wording: Wording) -> str | None:
    """``{{convert|5|to|10|km|mi}}``: "5 to 10 kilometres".

    On other wikis a call whose joiner is an English word is a loss.
    """
    arguments.ignore(_WITHOUT_WORDS)
    given = [piece for piece in arguments.all() if piece]
    if not given or arguments.get("disp") in _OF_CONVERTED:
        return None
    given[:1] = _in_one(given[0])
    prefix = "between " if given[0] == "between" else ""
    amounts, rest = _amounts(given[1:] if prefix else given)
    is_english = wording.units is english_units()
    if not amounts or not rest or (not is_english and any(_WORD.search(_JOINERS[piece]) for piece in amounts[1::2])):
        return None
    shown = _Call(arguments, wording).shown(amounts, rest[0], rest[1:])
    return None if shown is None else prefix + shown


def _in_one(piece: str) -> list[str]:
    """``5-10`` as an amount, a joiner and an amount."""
    if _AMOUNT.fullmatch(piece):
        return [piece]
    pieces = _IN_ONE.split(piece)
    return pieces if all(map(_AMOUNT.fullmatch, pieces[::2])) else [piece]


def _amounts(given: list[str]) -> tuple[list[str], list[str]]:
    """The amounts with the joiners between them, and the rest; no amounts if the first piece is not a number."""
    if not given or not _AMOUNT.fullmatch(given[0]):
        return [], given
    amounts, rest = given[:1], given[1:]
    while len(rest) >= 2 and rest[0] in _JOINERS and _AMOUNT.fullmatch(rest[1]):
        amounts, rest = amounts + rest[:2], rest[2:]
    return amounts, rest


class _Call:
    """One call and its options: ``adj``, ``disp``, ``sp``, ``comma``, ``spell``."""

    def __init__(self, arguments: Arguments, wording: Wording) -> None:
        self._wording = wording
        self._adjective, self._display = arguments.get("adj"), arguments.get("disp")
        self._comma, self._spell = arguments.get("comma"), arguments.get("spell")
        self._american = arguments.get("sp").lower() == "us"

    def shown(self, amounts: list[str], unit: str, rest: list[str]) -> str | None:
        """The amounts with their unit, then smaller units of the same amount: "5 feet 6 inches"."""
        as_adjective = self._adjective in ("on", "mid")
        is_singular = as_adjective or self._adjective == "1"
        name = self._name(unit, is_singular or _is_one(amounts))
        if name is None or self._display == "unit":
            return name
        text, rest = self._own_text(rest)
        parts = [(self._joined(amounts), name if as_adjective else text + name)]
        while len(rest) >= 2 and rest[1] in _PARTS.get(unit, ()) and _AMOUNT.fullmatch(rest[0]):
            unit = rest[1]
            parts.append((self._number(rest[0]), self._name(unit, is_singular or _is_one(rest[:1])) or unit))
            rest = rest[2:]
        if as_adjective:
            hyphened = "-".join(f"{_JOINING_WORD.sub('-', number)}-{name.replace(' ', '-')}" for number, name in parts)
            return hyphened + text
        return " ".join(self._wording.shape.format(number, name) for number, name in parts)

    def _joined(self, amounts: list[str]) -> str:
        return "".join(
            _JOINERS[piece] if index % 2 else self._number(piece, is_first=index == 0)
            for index, piece in enumerate(amounts)
        )

    def _number(self, amount: str, is_first: bool = False) -> str:
        plain = amount.replace(",", "")
        if self._spell.lower() in ("in", "on") and plain.isdecimal() and len(plain) < 12:
            words = spelled(int(plain))
            return words.capitalize() if is_first and self._spell[:1].isupper() else words
        if self._comma == "off" or (self._comma == "5" and len(plain.partition(".")[0].lstrip("+-−")) < 5):
            return plain.replace("-", "−")
        return self._wording.numerals.grouped(f"0{plain}" if plain[0] == "." else plain)

    def _name(self, code: str, is_one: bool) -> str | None:
        """A unit's name: ``kg/ha`` is "kilograms per hectare", ``e6km2`` "million square kilometres"."""
        units = self._wording.units
        if scaled := _SCALED.fullmatch(code):
            name = self._name(scaled[2], is_one)
            return None if name is None else f"{_SCALES[scaled[1]]} {name}"
        names = units.get(code)
        if names is None:
            above, slash, below = code.partition("/")
            if not slash or above not in units or below not in units:
                return None
            names = [f"{name} per {units[below][0]}" for name in units[above]]
        name = names[0 if is_one else -1]
        return name.replace("metre", "meter").replace("litre", "liter") if self._american else name

    def _own_text(self, rest: list[str]) -> tuple[str, list[str]]:
        """The text that ``adj=mid``, ``adj=pre`` or ``disp=preunit`` puts beside the unit, and the other parameters."""
        if self._adjective not in ("mid", "pre") and self._display != "preunit":
            return "", rest
        texts = [piece for piece in rest if piece not in self._wording.units and not _AMOUNT.fullmatch(piece)]
        if not texts:
            return "", rest
        left = [piece for piece in rest if piece not in texts]
        if self._adjective == "mid":
            return texts[0] if texts[0][0] == "-" else f" {texts[0]}", left
        return f"{texts[0]} ", left


def _is_one(amounts: list[str]) -> bool:
    last = amounts[-1].lstrip("-−+")
    if "/" in last or last[-1:] in "¼½¾⅓⅔⅛⅜⅝⅞":
        return not re.search(r"\d[+\-−]\d|\d[¼-¾⅐-⅞]", last)
    return len(amounts) == 1 and last in ("1", "1.0")
