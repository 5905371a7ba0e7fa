"""Templates whose words are computed from their parameters: dates, ages, labels of languages.

Each function gives the wikitext that the template stands for, or None where that cannot be told from its parameters
alone (an age today, a price in today's money).
"""

import re
from collections.abc import Callable

from tasks.corpus import quantities
from tasks.corpus.arguments import Arguments

Computed = Callable[[Arguments], str | None]

_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
_LANGUAGE_CODE = re.compile(r"[a-z]{2,3}(-[a-z]+)*|simple")


def spelled_date(year: str, month: str, day: str, day_first: bool) -> str:
    """ "14 March 1879" or "March 14, 1879"; month and day may be empty; the month a number or a name."""
    if month.isdecimal() and 1 <= int(month) <= 12:
        month = _MONTHS[int(month) - 1]
    if not month:
        return year
    if not day:
        return f"{month} {year}"
    day = day.lstrip("0")
    return f"{day} {month} {year}" if day_first else f"{month} {day}, {year}"


def date(arguments: Arguments) -> str | None:
    """``{{birth date|1879|3|14|df=y}}``: "14 March 1879"; of {{birth date and age}} the date alone."""
    year, month, day = (arguments.get(place) for place in "123")
    if not year.isdecimal():
        return year or None
    return spelled_date(year, month, day, arguments.is_on("df") or "dm" in arguments.get("format"))


def _age(years: list[str]) -> str | None:
    """Full years from the first (year, month, day) to the second."""
    if len(years) < 6 or not all(piece.isdecimal() for piece in years[:6]):
        return None
    born, then = tuple(map(int, years[:3])), tuple(map(int, years[3:6]))
    return str(then[0] - born[0] - (then[1:] < born[1:]))


def death(arguments: Arguments) -> str | None:
    """``{{death date and age|1955|4|18|1879|3|14}}``: "April 18, 1955 (aged 76)"."""
    given = arguments.positional
    age = _age(given[3:6] + given[:3])
    when = date(arguments)
    return f"{when} (aged {age})" if when and age else when


def age(arguments: Arguments) -> str | None:
    return _age(arguments.positional)


def as_of(arguments: Arguments) -> str | None:
    """``{{as of|2010|5|lc=y}}``: "as of May 2010"."""
    if alternative := arguments.get("alt"):
        return alternative
    year, month, day = (arguments.get(place) for place in "123")
    when = spelled_date(year, month, day, arguments.get("df").upper() != "US") + arguments.get("post")
    if not year or arguments.is_on("bare"):
        return when or None
    words = "Since" if arguments.is_on("since") else "As of"
    return f"{words.lower() if arguments.is_on('lc') else words} {when}"


def coordinates(arguments: Arguments) -> str | None:
    """Shown at the head of the page they are no part of a sentence; within it they are lost."""
    return "" if arguments.get("display") in ("title", "t") else None


def interlanguage(arguments: Arguments) -> str | None:
    """``{{ill|Title|de|Titel|lt=words}}``, or in its older form ``{{ill|de|Titel|Title|words}}``."""
    title, words = arguments.get("1"), arguments.get("lt")
    if _LANGUAGE_CODE.fullmatch(title) and len(arguments.positional) > 2:
        title, words = arguments.get("3", "2"), words or arguments.get("4")
    return f"[[{title}|{words or title}]]" if title else None


def inline_list(arguments: Arguments) -> str | None:
    """``{{hlist|a|b}}``: "a, b"."""
    return ", ".join(piece for piece in arguments.positional if piece) or None


def block_list(arguments: Arguments) -> str | None:
    """``{{ubl|a|b}}``: list items."""
    return "".join(f"\n* {piece}" for piece in arguments.positional if piece) + "\n\n"


def always(function: Computed) -> Callable[[str], Computed]:
    """The same function whatever the template's name."""
    return lambda _: function


def computed_templates(languages: dict[str, str], labels: dict[str, str]) -> dict[str, Callable[[str], Computed]]:
    """By the name that templates.yaml calls it, what makes the function of a template of that name."""

    def of_language(name: str) -> Computed:
        """``{{lang-ru|Москва|Moskva}}``: "Russian: Москва, Moskva"."""
        language = languages.get(name.removeprefix("lang-"), "")

        def shown(arguments: Arguments) -> str | None:
            label = "" if arguments.get("label") == "none" else language
            words = ", ".join(piece for piece in arguments.positional[:2] if piece)
            return (f"{label}: {words}" if label else words) or None

        return shown

    def langx(_: str) -> Computed:
        def shown(arguments: Arguments) -> str | None:
            rest = Arguments(arguments.positional[1:], arguments.named)
            return of_language(arguments.get("1"))(rest)

        return shown

    def labelled(_: str) -> Computed:
        """``{{zh|s=北京|p=Běijīng}}``: "simplified Chinese: 北京; pinyin: Běijīng"."""

        def shown(arguments: Arguments) -> str | None:
            said = [(labels[key], words) for key, words in arguments.named.items() if key in labels and words]
            pieces = [f"{label}: {words}" if label else words for label, words in said]
            return "; ".join([*pieces, *(piece for piece in arguments.positional if piece)]) or None

        return shown

    plain = (
        *(quantities.convert, quantities.value, quantities.fraction, quantities.number, quantities.formula),
        *(date, death, age, as_of, coordinates, interlanguage, inline_list, block_list),
    )
    return {
        **{function.__name__: always(function) for function in plain},
        "language": of_language,
        "langx": langx,
        "labelled": labelled,
    }
