"""{{convert}}: the measured value with its unit, "1,023 metres".

The converted value is the template's arithmetic, and two values of one fact would give each other away: it is not
shown. A call whose joiner or unit is unknown, or that shows the converted value alone, has no words here: a wrong unit
would be worse than a marked loss.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import yaml

from tasks.corpus.arguments import Arguments
from tasks.corpus.numerals import Numerals, spelled

Units = Mapping[str, list[str]]
"""Names by code: of one, and of several."""

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
"""Units that one amount may be given in together: ``{{convert|5|ft|6|in}}``."""
_SCALES = {"e3": "thousand", "e6": "million", "e9": "billion", "e12": "trillion"}
_SCALED = re.compile(r"(e(?:3|6|9|12))(.+)")
_OF_CONVERTED = frozenset({"out", "output only", "output number only", "number", "unit2", "u2"})
_WORD = re.compile("[a-z]")
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
    return yaml.safe_load(Path(__file__).with_name("units.yaml").read_text("utf-8"))


def convert(arguments: Arguments, units: Units, numerals: Numerals, shape: str) -> str | None:
    """``{{convert|5|to|10|km|mi}}``: "5 to 10 kilometres"; ``shape`` puts number and unit together.

    Joiners that are English words have no words here on other wikis, whose units are not the English ones.
    """
    arguments.ignore(_WITHOUT_WORDS)
    given = [piece for piece in arguments.all() if piece]
    display, adjective = arguments.get("disp"), arguments.get("adj")
    if not given or display in _OF_CONVERTED:
        return None
    given[:1] = _in_one(given[0])
    prefix = "between " if given[0] == "between" else ""
    amounts, rest = _amounts(given[1:] if prefix else given)
    is_english = units is english_units()
    if not amounts or not rest or (not is_english and any(_WORD.search(_JOINERS[piece]) for piece in amounts[1::2])):
        return None
    shown = _joined(amounts, _Amounts(arguments, numerals))
    unit, rest = rest[0], rest[1:]
    american = arguments.get("sp").lower() == "us"
    is_one = _is_one(amounts)
    as_adjective = adjective in ("on", "mid")
    name = _name(unit, is_one or as_adjective or adjective == "1", american, units)
    if name is None:
        return None
    if display == "unit":
        return name
    text, rest = _own_text(display, adjective, rest, units)
    if as_adjective:
        hyphened = re.sub(r" (to|by|or|and) ", r"-\1-", shown)
        return f"{prefix}{hyphened}-{name.replace(' ', '-')}{text}".rstrip()
    shown = prefix + shape.format(shown, text + name)
    return _with_parts(shown, unit, rest, american, units, numerals)


def _in_one(piece: str) -> list[str]:
    """``5-10`` as an amount, a joiner and an amount."""
    if _AMOUNT.fullmatch(piece):
        return [piece]
    pieces = _IN_ONE.split(piece)
    return pieces if all(map(_AMOUNT.fullmatch, pieces[::2])) else [piece]


def _amounts(given: list[str]) -> tuple[list[str], list[str]]:
    """Amounts with the joiners between them, and what follows; no amounts where the first piece is no number."""
    if not _AMOUNT.fullmatch(given[0]):
        return [], given
    amounts, rest = given[:1], given[1:]
    while len(rest) >= 2 and rest[0] in _JOINERS and _AMOUNT.fullmatch(rest[1]):
        amounts, rest = amounts + rest[:2], rest[2:]
    return amounts, rest


class _Amounts:
    """How a call writes its numbers: ``comma``, ``spell``."""

    def __init__(self, arguments: Arguments, numerals: Numerals) -> None:
        self._numerals = numerals
        self._comma, self._spell = arguments.get("comma"), arguments.get("spell")

    def write(self, amount: str, is_first: bool) -> str:
        plain = amount.replace(",", "")
        if self._spell.lower() in ("in", "on") and plain.isdecimal() and len(plain) < 12:
            words = spelled(int(plain))
            return words.capitalize() if is_first and self._spell[:1].isupper() else words
        if self._comma == "off" or (self._comma == "5" and len(plain.partition(".")[0].lstrip("+-−")) < 5):
            return plain.replace("-", "−")
        return self._numerals.grouped(plain)


def _joined(amounts: list[str], numbers: _Amounts) -> str:
    shown = [
        _JOINERS[piece] if place % 2 else numbers.write(piece, is_first=place == 0)
        for place, piece in enumerate(amounts)
    ]
    return "".join(shown)


def _is_one(amounts: list[str]) -> bool:
    last = amounts[-1].lstrip("-−+")
    return (len(amounts) == 1 and last in ("1", "1.0")) or ("/" in last and not re.search(r"\d[+\-−]\d", last))


def _name(code: str, is_one: bool, american: bool, units: Units) -> str | None:
    if scaled := _SCALED.fullmatch(code):
        plural = _name(scaled[2], False, american, units)
        singular = _name(scaled[2], True, american, units) if is_one else plural
        return None if singular is None else f"{_SCALES[scaled[1]]} {singular}"
    names = units.get(code)
    if names is None:
        above, slash, below = code.partition("/")
        if not slash or above not in units or below not in units:
            return None
        names = [f"{name} per {units[below][0]}" for name in units[above]]
    name = names[0 if is_one else -1]
    return name.replace("metre", "meter").replace("litre", "liter") if american else name


def _own_text(display: str, adjective: str, rest: list[str], units: Units) -> tuple[str, list[str]]:
    """The text that ``adj=mid``, ``adj=pre`` and ``disp=preunit`` put beside the unit."""
    if adjective not in ("mid", "pre") and display != "preunit":
        return "", rest
    texts = [piece for piece in rest if piece not in units and not _AMOUNT.fullmatch(piece)]
    if not texts:
        return "", rest
    left = [piece for piece in rest if piece not in texts]
    return (texts[0] if adjective == "mid" else f"{texts[0].strip()} "), left


def _with_parts(shown: str, unit: str, rest: list[str], american: bool, units: Units, numerals: Numerals) -> str:
    """With the smaller units of the same amount: "5 feet 6 inches"."""
    while len(rest) >= 2 and rest[1] in _PARTS.get(unit, ()) and _AMOUNT.fullmatch(rest[0]):
        unit = rest[1]
        shown += f" {numerals.grouped(rest[0])} {_name(unit, _is_one(rest[:1]), american, units)}"
        rest = rest[2:]
    return shown
