"""The registry of computed templates: functions that compute a template's words, by the kinds that the tables name.

A kind takes the wiki's `Language` and a template's name in lower case, and returns a function of a call's parameters.
That function returns wikitext, or None if the words cannot be computed from the parameters alone (an age today, a
price in today's money).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tasks.templates import conversions, dates, naming, quantities
from tasks.templates.arguments import Arguments
from tasks.templates.marks import GAP, lost
from tasks.templates.numerals import Numerals

Computed = Callable[[Arguments], str | None]


@dataclass(frozen=True)
class Language:
    """The words and shapes of a wiki's language, from its table."""

    numerals: Numerals
    calendar: dates.Calendar | None
    names: Mapping[str, str]
    """Names of languages by code, as {{lang-xx}} puts them before its words."""
    foreign: Mapping[str, str]
    """Shapes: ``labelled`` ("{}: {}"), ``romanized``, ``literal``."""
    labels: Mapping[str, Mapping[str, str]]
    """By template kind, the label before each parameter."""
    units: conversions.Units
    shapes: Mapping[str, str] = field(default_factory=dict)
    """Other shapes: for centuries, quotations, enumerations."""


Kind = Callable[[Language, str], Computed]
_ROMAN = re.compile(r"[ivxlc]+")


def _plain(function: Computed) -> Kind:
    return lambda language, name: function


def _numeric(function: Callable[[Arguments, Numerals], str | None]) -> Kind:
    return lambda language, name: lambda arguments: function(arguments, language.numerals)


def _convert(language: Language, name: str) -> Computed:
    wording = conversions.Wording(language.units, language.numerals, language.shapes.get("unit", "{} {}"))
    return lambda arguments: conversions.convert(arguments, wording)


def _foreign(arguments: Arguments, code: str, position: int, language: Language) -> str | None:
    """The words behind the name of their language; a loss is marked if the table does not name the language."""
    label = language.names.get(code) or language.names.get(code.partition("-")[0])
    words = naming.foreign(arguments, label or "", position, language.foreign)
    if words is None or label or arguments.get("label"):
        return words
    return words + lost(f"template:lang-{code}")


def _language(language: Language, name: str) -> Computed:
    """``{{lang-ru|Москва}}``"""
    code = name.removeprefix("lang-").removesuffix("-short")
    return lambda arguments: _foreign(arguments, code, 1, language)


def _language_short(language: Language, name: str) -> Computed:
    """``{{ruS|Москва}}`` of the German Wikipedia."""
    return lambda arguments: _foreign(arguments, name.removesuffix("s"), 1, language)


def _language_by_name(language: Language, name: str) -> Computed:
    """``{{russo|Москва}}``: the template has the name of its language."""
    return lambda arguments: naming.foreign(arguments, name, 1, language.foreign)


def _language_words(language: Language, name: str) -> Computed:
    """``{{lang-en2|words}}``: the words without the language's name."""
    return lambda arguments: naming.foreign(arguments, "", 1, language.foreign)


def _langx(language: Language, name: str) -> Computed:
    return lambda arguments: _foreign(arguments, arguments.get("1").lower(), 2, language)


def _labelled(kind: str) -> Kind:
    return lambda language, name: lambda arguments: naming.labelled(arguments, language.labels[kind])


def _ship(language: Language, name: str) -> Computed:
    prefix = "" if name == "ship" else name.upper()
    return lambda arguments: naming.ship(arguments, prefix)


def _date(language: Language, name: str) -> Computed:
    calendar = language.calendar
    return lambda arguments: dates.date_of_wiki(arguments, calendar) if calendar else None


def _century(kind: str) -> Kind:
    return lambda language, name: lambda arguments: dates.century(arguments, kind, language.shapes)


def _century_by_name(language: Language, name: str) -> Computed:
    """``{{XIXe siècle}}``: the template's name, with the number in capitals."""
    words = _ROMAN.sub(lambda found: found[0].upper(), name, count=1)
    return lambda _: words


def _quoted(language: Language, name: str) -> Computed:
    return lambda arguments: naming.quoted(arguments, language.shapes["quoted"])


def _country(shape: str) -> Kind:
    return lambda language, name: (
        lambda arguments: naming.country(arguments, shape, language.labels.get("countries", {}))
    )


def _elevation(language: Language, name: str) -> Computed:
    """``{{Höhe|34|DE-NN}}``: "34 m ü. NN"."""
    return lambda arguments: quantities.elevation(arguments, language.numerals, language.labels["elevation"])


def _enumeration(language: Language, name: str) -> Computed:
    return lambda arguments: naming.enumeration(arguments, language.shapes.get("and", "and"))


# -- parser functions -------------------------------------------------------------------------------------------------


def _cased(change: Callable[[str], str]) -> Kind:
    return _plain(lambda arguments: change(arguments.get("1")) or GAP)


def _if(arguments: Arguments) -> str | None:
    """``{{#if: condition | then | else}}``"""
    condition, then, otherwise = arguments.get("1"), arguments.get("2"), arguments.get("3")
    return (then if condition else otherwise) or GAP


def _if_equal(arguments: Arguments) -> str | None:
    """``{{#ifeq: a | b | then | else}}``"""
    first, second, then, otherwise = (arguments.get(name) for name in "1234")
    return (then if first == second else otherwise) or GAP


def _plural(arguments: Arguments) -> str | None:
    """``{{plural: 5 | page | pages}}``"""
    number, one, several = (arguments.get(name) for name in "123")
    return one if number == "1" else several or one or None


KINDS: Mapping[str, Kind] = {
    "convert": _convert,
    "value": _numeric(quantities.value),
    "formatted": _numeric(quantities.formatted),
    "in_pieces": _numeric(quantities.in_pieces),
    "quantity": _numeric(quantities.quantity),
    "percentage": _numeric(quantities.percentage),
    "magnitude": _numeric(quantities.magnitude),
    "fraction": _plain(quantities.fraction),
    "ordinal": _plain(quantities.ordinal_number),
    "rupees": _plain(quantities.rupees),
    "formula": _plain(quantities.formula),
    "country": _country("[[{0}]]"),
    "country_unlinked": _country("{0}"),
    "football_team": _country("[[{0} national football team|{0}]]"),
    "womens_football_team": _country("[[{0} women's national football team|{0}]]"),
    "cricket_team": _country("[[{0} national cricket team|{0}]]"),
    "rugby_team": _country("[[{0} national rugby union team|{0}]]"),
    "author_year": _plain(naming.author_year),
    "charged_formula": _plain(quantities.charged_formula),
    "english_date": _plain(dates.date),
    "death": _plain(dates.death),
    "death_years": _plain(dates.death_years),
    "age": _plain(dates.age),
    "as_of": _plain(dates.as_of),
    "marriage": _plain(dates.marriage),
    "date": _date,
    "century": _century("century"),
    "century_short": _century("century_short"),
    "century_pair": _century("century_pair"),
    "century_before": _century("century_before"),
    "century_by_name": _century_by_name,
    "coordinates": _plain(naming.coordinates),
    "interlanguage": _plain(naming.interlanguage),
    "inline_list": _plain(naming.inline_list),
    "block_list": _plain(naming.block_list),
    "enumeration": _enumeration,
    "sortname": _plain(naming.sortname),
    "japanese": _plain(naming.japanese),
    "verse": _plain(naming.verse),
    "ship": _ship,
    "language": _language,
    "language_short": _language_short,
    "language_by_name": _language_by_name,
    "language_words": _language_words,
    "langx": _langx,
    "chinese": _labelled("chinese"),
    "korean": _labelled("korean"),
    "quoted": _quoted,
    "quote_block": _plain(naming.quote_block),
    "elevation": _elevation,
    "lower": _cased(str.lower),
    "upper": _cased(str.upper),
    "lower_first": _cased(lambda text: text[:1].lower() + text[1:]),
    "upper_first": _cased(lambda text: text[:1].upper() + text[1:]),
    "if": _plain(_if),
    "if_equal": _plain(_if_equal),
    "plural": _plain(_plural),
}
