"""Numbers as templates show them: {{val}}, {{frac}}, {{formatnum}}, {{unité}}, {{nts}}, percentages, prices."""

import re
from collections.abc import Mapping

from tasks.templates.arguments import Arguments
from tasks.templates.numerals import Numerals, ordinal, raised_digits

_RANGES = {"-": "–", "–": "–", "to": " to ", "by": " by ", "and": " and ", "or": " or ", "x": " × ", "×": " × "}
_UNITS = {"C": "°C", "degC": "°C", "F": "°F", "degF": "°F", "deg": "°", "um": "μm"}
# A power is a number right behind the letters of its unit: "km2", "s-1".
_POWER = re.compile(r"(?<=[A-Za-zμΩ°])([-−]?\d+)(?!\w)")
# A number that has no separators yet, among other words.
_NUMBER_WITHIN = re.compile(r"(?<![\d.,])\d{4,}(?:\.\d+)?(?![\d,])")
_INTEGER = re.compile(r"[+\-−]?\d+")
# A number, which may be grouped with spaces of any kind, and the unit behind it. Before a unit the number must end in
# a digit, so that no separator or space becomes part of the unit.
_NUMBER_FIRST = re.compile(r"([+\-−]?\d[\d.,\s\xa0\u202f]*?)(?:(?<=\d)\s*(?![\d.,\s])(.*))?", re.DOTALL)
_WORDS_BETWEEN = {"à", "et", "ou", "et de", "au", "a", "y", "o", "e", "bis", "und", "oder", "to", "and", "by", "par"}
_SIGNS_BETWEEN = {"-": "–", "–": "–", "x": " × ", "×": " × ", "±": " ± ", "/": "/"}


def value(arguments: Arguments, numerals: Numerals) -> str | None:
    """``{{val|1.5|0.2|e=6|u=m}}``: "1.5±0.2×10⁶ m"."""
    arguments.ignore(("fmt", "sortable", "debug", "nocategory"))
    number = arguments.get("1")
    shown = numerals.grouped(number)
    plus, minus = arguments.get("2"), arguments.get("3", "-err")
    if plus in _RANGES and minus:
        shown += f"{_RANGES[plus]}{numerals.grouped(minus)}"
    elif plus.startswith("("):
        shown += plus
    elif plus := plus or arguments.get("err", "+err"):
        plus = plus.lstrip("+±")
        shown += f"+{plus}−{minus.lstrip('-−')}" if minus else f"±{plus}"
    if end := arguments.get("end", "errend"):
        shown += end
    if exponent := arguments.get("e", "10"):
        shown += f"{'×' if number else ''}10{raised_digits(exponent)}"
    unit, per = _unit(arguments.get("u", "ul")), _unit(arguments.get("up", "upl"))
    unit += f"/{per}" if per else ""
    shown = f"{arguments.get('p')}{shown}{arguments.get('s')}"
    return with_unit(shown, unit) if number or unit or exponent else None


def _unit(code: str) -> str:
    return _POWER.sub(lambda found: raised_digits(found[1]), _UNITS.get(code, code))


def with_unit(number: str, unit: str) -> str:
    """ "5 km"; no space before a sign of degrees or minutes, and no unit behind a number that ends with it."""
    if not unit or number.endswith(unit):
        return number
    return f"{number}{'' if unit in ('°', '′', '″') else ' '}{unit}".strip()


def fraction(arguments: Arguments) -> str | None:
    """``{{frac|3|1|2}}``: "3 1/2"; ``{{frac|1|2}}``: "1/2"; ``{{frac|2}}``: "1/2"."""
    match [piece for piece in arguments.all() if piece]:
        case [whole, above, below]:
            return f"{whole} {_grouped_sum(above)}/{_grouped_sum(below)}"
        case [above, below]:
            return f"{_grouped_sum(above)}/{_grouped_sum(below)}"
        case [below]:
            return f"1/{_grouped_sum(below)}"
    return None


def _grouped_sum(part: str) -> str:
    """The numerator or denominator of a fraction, in brackets if it is a sum, a product or several words."""
    return f"({part})" if re.search(r"\S\s*[+−×/ -]\s*\S", part) and not part.startswith("(") else part


def formatted(arguments: Arguments, numerals: Numerals) -> str | None:
    """``{{formatnum:1234.5}}``: "1,234.5" with the wiki's separators; ``|R`` removes them, ``|NOSEP`` the groups."""
    number, option = arguments.get("1"), arguments.get("2").upper()
    arguments.ignore(("prefix", "suffix", "format", "quick", "debug"))
    before, after = arguments.get("prefix"), arguments.get("suffix")
    if option == "R":
        return numerals.ungrouped(number) or None
    if option == "NOSEP" or arguments.get("format") == "no":
        shown = numerals.written(number.replace(".", numerals.decimal).replace("-", "−", 1))
    else:
        shown = numerals.grouped(number)
        if shown == number:
            shown = _NUMBER_WITHIN.sub(lambda found: numerals.grouped(found[0]), number)
    return f"{before}{shown}{after}" or None


def in_pieces(arguments: Arguments, numerals: Numerals) -> str | None:
    """``{{gaps|12|345}}``, whose gaps are only styled on the wiki: "12,345" with the wiki's separators."""
    arguments.ignore(("lhs", "rhs"))
    number = numerals.grouped("".join(arguments.all()))
    power = f"×{arguments.get('base') or '10'}{raised_digits(arguments.get('e'))}" if arguments.get("e") else ""
    unit = _unit(arguments.get("u"))
    return with_unit(number + power, unit) if number else None


def quantity(arguments: Arguments, numerals: Numerals) -> str | None:
    """``{{unité|1234.5|km|2}}``: "1 234,5 km²"; also ranges, "5 à 10 km", and several units, each with its power."""
    arguments.ignore(("fmt", "lang", "label"))
    given = arguments.all()
    if not given or not given[0]:
        return None
    number, unit = _number_and_unit(given[0], numerals)
    rest = given[1:]
    while len(rest) >= 2 and (joiner := _joiner(rest[0])) and (found := _NUMBER_FIRST.fullmatch(rest[1])):
        number += joiner + _number_and_unit(found[1], numerals)[0]
        unit, rest = found[2] or unit, rest[2:]
    if plus := arguments.get("+", "±"):
        minus = arguments.get("-")
        number += f" +{plus.lstrip('+')} −{minus.lstrip('-−')}" if minus else f" ± {plus}"
    if exponent := arguments.get("e"):
        number += f"×10{raised_digits(exponent)}"
    units = [unit] if unit else []
    for piece in rest:
        if _INTEGER.fullmatch(piece) and units:
            units[-1] += raised_digits(piece)
        elif piece and _unit(piece) not in units:
            units.append(_unit(piece))
    return with_unit(number, " ".join(units))


def _number_and_unit(text: str, numerals: Numerals) -> tuple[str, str]:
    found = _NUMBER_FIRST.fullmatch(text)
    if found is None:
        return text, ""
    number = re.sub(r"[\s\xa0\u202f]", "", found[1])
    if "," in number and "." not in number and numerals.decimal == ",":
        number = number.replace(",", ".")
    return numerals.grouped(number), found[2] or ""


def _joiner(text: str) -> str:
    return _SIGNS_BETWEEN.get(text) or (f" {text} " if text in _WORDS_BETWEEN else "")


def percentage(arguments: Arguments, numerals: Numerals) -> str | None:
    """``{{percentage|1|3|1}}``: "33.3%"."""
    arguments.ignore(("pad",))
    try:
        share = 100 * float(arguments.get("1").replace(",", "")) / float(arguments.get("2").replace(",", ""))
    except (ValueError, ZeroDivisionError):
        return None
    places = arguments.get("3")
    return f"{numerals.grouped(f'{share:.{int(places) if places.isdecimal() else 0}f}')}%"


def ordinal_number(arguments: Arguments) -> str | None:
    """``{{ordinal|21}}``: "21st"."""
    number = arguments.get("1")
    return ordinal(int(number)) if number.isdecimal() else None


def elevation(arguments: Arguments, numerals: Numerals, levels: Mapping[str, str]) -> str | None:
    """``{{Höhe|34|DE-NN}}``: "34 m ü. NN", above the sea level that the second parameter names."""
    arguments.ignore(("link", "LINK", "geo-typ"))
    number, level = numerals.grouped(arguments.get("1")), levels.get(arguments.get("2"))
    return f"{number} m {level}".rstrip() if number and level is not None else None


_INDIAN_SCALES = {"k": "thousand", "l": "lakh", "c": "crore", "lc": "lakh crore", "m": "million", "b": "billion"}
_INDIAN_SCALES |= {"t": "trillion"}


def rupees(arguments: Arguments) -> str | None:
    """``{{INRConvert|5|c}}``: "₹5 crore"; the converted dollars are not shown, for the reason in conversions.py."""
    arguments.ignore(("lk", "nolink", "to", "mode", "year", "about"))
    amount, scale = arguments.get("1").lstrip("₹"), arguments.get("2").lower()
    if not amount or (scale and scale not in _INDIAN_SCALES):
        return None
    arguments.get("3")
    return f"₹{amount} {_INDIAN_SCALES[scale]}" if scale else f"₹{amount}"


_CHARGE = re.compile(r"\d*[+\-−]")
# A charge in brackets, or a sign at the end of a formula. A sign between two formulas has spaces around it.
_CHARGE_WITHIN = re.compile(r"\((\d*[+\-−])\)|(?<=[A-Za-z\]\d])([+\-−])(?=$|\s)")


def formula(arguments: Arguments) -> str | None:
    """``{{chem|SO|4|2-}}``: "SO4²⁻", with the charge raised."""
    arguments.ignore(("link", "auto"))
    return "".join(raised_digits(piece) if _CHARGE.fullmatch(piece) else piece for piece in arguments.all()) or None


def charged_formula(arguments: Arguments) -> str | None:
    """``{{chem2|SO4(2-)}}``: "SO4²⁻"."""
    arguments.ignore(("link", "auto", "dotlist"))
    formulas = [
        _CHARGE_WITHIN.sub(lambda found: raised_digits(found[1] or found[2]), piece) for piece in arguments.all()
    ]
    return " ".join(formulas) or None


def magnitude(arguments: Arguments, numerals: Numerals) -> str | None:
    """``{{M|5|k|m}}`` of the Italian Wikipedia: number, prefix and unit, or ``u=km``."""
    number, prefix, unit = arguments.get("1"), arguments.get("2"), arguments.get("3", "u", "ul")
    power = f"×10{raised_digits(arguments.get('e'))}" if arguments.get("e") else ""
    return with_unit(numerals.grouped(number.replace(",", ".")) + power, prefix + unit) if number else None
