"""Dates and ages as templates show them, in the words of a wiki.

An age today is a loss, because it depends on the day of reading.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from tasks.templates.arguments import Arguments

_EVENTS = {
    "div": "div.",
    "divorced": "div.",
    "died": "died",
    "his death": "died",
    "her death": "died",
    "d": "died",
    "widowed": "wid.",
    "wid": "wid.",
    "annulled": "ann.",
    "ann": "ann.",
    "sep": "sep.",
    "separated": "sep.",
}


@dataclass(frozen=True)
class Calendar:
    """``full``, ``day_month`` and ``month_year`` are patterns with {day}, {month}, {year}."""

    months: tuple[str, ...]
    full: str
    day_month: str
    month_year: str
    first: str = "1"
    """How the first day of a month is written."""

    def spelled(self, year: str, month: str, day: str) -> str:
        """The date in words. Year, month and day may each be empty; the month is a number or a name."""
        if month.isdecimal() and 1 <= int(month) <= 12:
            month = self.months[int(month) - 1]
        if day.isdecimal():
            day = self.first if int(day) == 1 else str(int(day))
        pattern = {(True, True): self.full, (True, False): self.month_year}.get((bool(month), bool(day)), "{year}")
        if not year and month:
            pattern = self.day_month if day else "{month}"
        return pattern.format(year=year, month=month, day=day)


_ENGLISH_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
_ENGLISH = {
    True: Calendar(_ENGLISH_MONTHS, "{day} {month} {year}", "{day} {month}", "{month} {year}"),
    False: Calendar(_ENGLISH_MONTHS, "{month} {day}, {year}", "{month} {day}", "{month} {year}"),
}
_SWITCHES = ("df", "mf", "dm", "br", "TZ", "p", "paren", "sortable", "abbr", "fmt", "lc", "url", "since", "gregorian")


def date(arguments: Arguments) -> str | None:
    """``{{birth date|1879|3|14|df=y}}``: "14 March 1879"; only the date for {{birth date and age}}."""
    arguments.ignore(_SWITCHES)
    year, month, day = (arguments.get(name) for name in "123")
    if not year.isdecimal():
        return year or None
    style = arguments.get("format").lower()
    return _ENGLISH[arguments.is_on("df") or "dm" in style].spelled(year, month, day)


def _age(years: list[str]) -> str | None:
    """Full years from the first three numbers (year, month, day) to the next three."""
    if len(years) < 6 or not all(piece.isdecimal() for piece in years[:6]):
        return None
    born, then = tuple(map(int, years[:3])), tuple(map(int, years[3:6]))
    return str(then[0] - born[0] - (then[1:] < born[1:]))


def death(arguments: Arguments) -> str | None:
    """``{{death date and age|1955|4|18|1879|3|14}}``: "April 18, 1955 (aged 76)"."""
    given = arguments.all()
    age = _age(given[3:6] + given[:3])
    when = date(arguments)
    return f"{when} (aged {age})" if when and age else when


def death_years(arguments: Arguments) -> str | None:
    """``{{death year and age|2000|1930}}``: "2000 (aged 69–70)"."""
    died, born = arguments.get("1"), arguments.get("2")
    arguments.get("3")
    if not (died.isdecimal() and born.isdecimal()):
        return died or None
    age = int(died) - int(born)
    return f"{died} (aged {age - 1}–{age})"


def age(arguments: Arguments) -> str | None:
    return _age(arguments.all())


def as_of(arguments: Arguments) -> str | None:
    """``{{as of|2010|5|lc=y}}``: "as of May 2010"."""
    arguments.ignore(("url", "df", "since", "lc", "bare", "pre"))
    year, month, day = (arguments.get(name) for name in "123")
    after = arguments.get("post")
    if alternative := arguments.get("alt"):
        return alternative
    when = _ENGLISH[arguments.get("df").upper() != "US"].spelled(year, month, day) + after
    if not year or arguments.is_on("bare"):
        return when or None
    before = arguments.get("pre")
    words = f"{'Since' if arguments.is_on('since') else 'As of'}{f' {before}' if before else ''}"
    return f"{words[:1].lower() + words[1:] if arguments.is_on('lc') else words} {when}"


def marriage(arguments: Arguments) -> str | None:
    """``{{marriage|Ann|1990|1995|end=div}}``: "Ann (m. 1990; div. 1995)"."""
    arguments.ignore(("show", "()"))
    name, begun, ended = (arguments.get(name) for name in "123")
    event = arguments.get("end", "reason")
    event = _EVENTS.get(event.lower().rstrip("."), event)
    if ended and event:
        years = f"m. {begun}; {event} {ended}" if begun else f"{event} {ended}"
    elif ended:
        years = f"m. {begun}–{ended}" if begun else ended
    else:
        years = "; ".join(piece for piece in (f"m. {begun}" if begun else "", event) if piece)
    return " ".join(piece for piece in (name, f"({years})" if years else "") if piece) or None


def date_of_wiki(arguments: Arguments, calendar: Calendar) -> str | None:
    """``{{date|14|mars|1879}}`` with the day first, as most wikis write it, or a date in one parameter."""
    day, month, year = (arguments.get(name) for name in "123")
    if not month and not year:
        return day or None
    if not day.isdecimal():
        return " ".join(piece for piece in (day, month, year) if piece)
    if len(day) > 2:
        day, year = year, day
    return calendar.spelled(year, month, day)


# Roman or Arabic, with the ordinal ending of French in the same parameter: "XIX", "19", "XIXe".
_CENTURY = re.compile(r"([IVXLC]+|\d{1,2}|[ivxlc]+)(?:er|e|ème)?")
_ENDINGS = frozenset(("e", "er", "è", "ème", "re", "s", "º", ""))


def century(arguments: Arguments, kind: str, shapes: Mapping[str, str]) -> str | None:
    """``{{s|XIX}}``, ``{{sp|XVIII|e|et|XIX|e}}``: centuries, and the words between them, in a wiki's shape."""
    numbers: list[str] = []
    joiner, era = shapes["century_joiner"], ""
    given = arguments.all()
    for piece in given:
        if piece in _ENDINGS:
            continue
        if found := _CENTURY.fullmatch(piece):
            first = found[1] in ("I", "1") and shapes.get("century_first")
            numbers.append(found[1] + (first or shapes.get("century_ending", "")))
        elif own := shapes.get(f"century_{piece.lower()}"):
            era = own
        elif len(piece) > 1:
            joiner = f" {piece} "
    if not numbers:
        return None
    if kind == "century_pair":
        kind = "centuries" if "s" in given else "century"
    elif kind == "century" and len(numbers) > 1:
        kind = "centuries"
    return shapes[kind].format(joiner.join(numbers)) + era
