"""Numbers and units as templates show them: {{convert}}, {{val}}, {{frac}}, {{nts}}.

A conversion shows the measured value alone, "1,023 metres": the converted one is the template's arithmetic, and two
values of one fact would give each other away.
"""

import re
from functools import lru_cache
from pathlib import Path

import yaml

from tasks.corpus.arguments import Arguments

_PLAIN = re.compile(r"[+\-−]?\d+(\.\d+)?")
_AMOUNT = re.compile(r"[+\-−]?[\d.,]*\d[\d.,]*(?:e[+\-−]?\d+)?(?:\+?\d+[/⁄]+\d+)?(?:[/⁄]+\d+)?")
_JOINERS = {
    "-": "–",
    "–": "–",
    "to": " to ",
    "to-": " to ",
    "to about": " to about ",
    "and": " and ",
    "and(-)": " and ",
    "&": " and ",
    "or": " or ",
    "by": " by ",
    "x": " by ",
    "xx": " by ",
    "×": " by ",
    "*": " by ",
    "+/-": " ± ",
    "±": " ± ",
    ",": ", ",
}
_COMPOSITES = {
    ("ft", "in"),
    ("yd", "ft"),
    ("mi", "ft"),
    ("mi", "yd"),
    ("mi", "chain"),
    ("lb", "oz"),
    ("st", "lb"),
    ("LT", "cwt"),
}
"""Units that one amount may be given in together: ``{{convert|5|ft|6|in}}``."""
_MOST_AMOUNTS = 9
_SCALES = {"e3": "thousand ", "e6": "million ", "e9": "billion "}
_VAL_UNITS = {"C": "°C", "degC": "°C", "F": "°F", "degF": "°F", "deg": "°", "um": "μm"}
_SUPERSCRIPTS = str.maketrans("0123456789+-−–=()n", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁻⁼⁽⁾ⁿ")


@lru_cache(maxsize=1)
def _units() -> dict[str, list[str]]:
    return yaml.safe_load(Path(__file__).with_name("units.yaml").read_text("utf-8"))


def superscript(text: str) -> str:
    """Digits and signs raised; other text stands behind a caret where it would read as part of a number."""
    raised = text.translate(_SUPERSCRIPTS)
    if raised != text and not any(sign.isascii() for sign in raised):
        return raised
    return f"^{text}" if text[:1].isdigit() and not text[-1:].isalpha() else text


def grouped(number: str) -> str:
    """Thousands set apart by commas; what is no plain number stays as it is."""
    number = number.strip()
    if not _PLAIN.fullmatch(number):
        return number.replace("+", " ").replace("//", "/") if "/" in number else number
    whole, point, decimals = number.partition(".")
    sign = whole[:1] if whole[:1] in "+-−" else ""
    digits = whole[len(sign) :]
    shown = f"{int(digits):,}" if len(digits) > 3 and digits[0] != "0" else digits
    return f"{sign.replace('-', '−')}{shown}{point}{decimals}"


def convert(arguments: Arguments) -> str | None:
    """``{{convert|5|to|10|km|mi}}``: "5 to 10 kilometres"."""
    given = [piece for piece in arguments.positional if piece]
    if not given:
        return None
    amounts, rest = [grouped(given[0])], given[1:]
    last = given[0]
    while len(rest) >= 2 and len(amounts) < _MOST_AMOUNTS and rest[0] in _JOINERS and _AMOUNT.fullmatch(rest[1]):
        amounts += [_JOINERS[rest[0]], grouped(rest[1])]
        last, rest = rest[1], rest[2:]
    if not rest or not _AMOUNT.fullmatch(given[0]):
        return None
    unit = rest[0]
    is_one = (len(amounts) == 1 and last.lstrip("-−+") in ("1", "1.0")) or ("/" in last and "+" not in last)
    american = arguments.get("sp") == "us"
    if arguments.get("disp") in ("number", "num"):
        return "".join(amounts)
    if arguments.get("adj") in ("on", "mid"):
        return f"{''.join(amounts)}-{_unit_name(unit, True, american).replace(' ', '-')}"
    shown = f"{''.join(amounts)} {_unit_name(unit, is_one, american)}"
    if len(rest) >= 3 and (unit, rest[2]) in _COMPOSITES and _AMOUNT.fullmatch(rest[1]):
        shown += f" {grouped(rest[1])} {_unit_name(rest[2], rest[1] == '1', american)}"
    return shown


def _unit_name(code: str, is_one: bool, american: bool) -> str:
    scale = _SCALES.get(code[:2], "")
    code = code[2:] if scale else code
    singular, plural = _units().get(code, [code, code])
    name = scale + (singular if is_one and not scale else plural)
    return name.replace("metre", "meter").replace("litre", "liter") if american else name


def value(arguments: Arguments) -> str | None:
    """``{{val|1.5|0.2|e=6|u=m}}``: "1.5±0.2×10⁶ m"."""
    number = arguments.get("1")
    shown = grouped(number)
    plus, minus = arguments.get("2"), arguments.get("3")
    if plus.startswith("("):
        shown += plus
    elif plus:
        shown += f"+{plus}−{minus.lstrip('-')}" if minus else f"±{plus}"
    if exponent := arguments.get("e"):
        shown += f"×10{superscript(exponent)}"
    unit = arguments.get("u", "ul")
    per = arguments.get("up", "upl")
    unit = _VAL_UNITS.get(unit, unit) + (f"/{per}" if per else "")
    shown = f"{arguments.get('p')}{shown}{arguments.get('s')}"
    return f"{shown} {unit}".strip() if number or unit else None


def fraction(arguments: Arguments) -> str | None:
    """``{{frac|3|1|2}}``: "3 1/2"; ``{{frac|1|2}}``: "1/2"; ``{{frac|2}}``: "1/2"."""
    match arguments.positional:
        case [whole, above, below]:
            return f"{whole} {above}/{below}"
        case [above, below]:
            return f"{above}/{below}"
        case [below]:
            return f"1/{below}"
    return None


def number(arguments: Arguments) -> str | None:
    """``{{formatnum:1234.5}}``: "1,234.5"."""
    return grouped("".join(arguments.positional)) or None


def formula(arguments: Arguments) -> str | None:
    """``{{chem|H|2|O}}``: "H2O"."""
    return "".join(arguments.positional) or None
