"""Names, words of other languages and titles as templates show them."""

import re
from collections.abc import Mapping

from tasks.templates.arguments import Arguments

_LANGUAGE_CODE = re.compile(r"[a-z]{2,3}(-[a-z]+)*|simple")
_WITHOUT_WORDS = (
    *("link", "links", "lk", "sc", "cat", "nocat", "size", "italic", "italics", "i", "rtl", "script", "scr", "nobold"),
    *("proto", "sup", "tr", "engvar", "region", "code", "first", "out", "showflag", "quotes"),
)


def foreign(arguments: Arguments, language: str, position: int, shape: Mapping[str, str]) -> str | None:
    """``{{lang-ru|Москва|Moskva|lit=x}}``: "Russian: Москва, romanized: Moskva, lit. 'x'".

    ``language`` is the language's name on the wiki. The text is the parameter at ``position``, followed by its
    transcription and its meaning.
    """
    arguments.ignore(_WITHOUT_WORDS)
    label = arguments.get("label") or language
    text = arguments.get(str(position), "text")
    arguments.ignore(("p", "a", "audio"))
    romanized = arguments.get("translit", "r", str(position + 1))
    literal = arguments.get("lit", "literal", "translation", str(position + 2))
    if not text:
        return None
    pieces = [text]
    if romanized:
        pieces.append(shape["romanized"].format(romanized))
    if literal:
        pieces.append(shape["literal"].format(literal))
    words = ", ".join(pieces)
    return shape["labelled"].format(label, words) if label and label != "none" else words


def labelled(arguments: Arguments, labels: Mapping[str, str]) -> str | None:
    """``{{zh|s=北京|p=Běijīng}}``: "simplified Chinese: 北京; pinyin: Běijīng", each value behind its label."""
    arguments.ignore(_WITHOUT_WORDS)
    off = arguments.get("labels") == "no"
    pieces = []
    for key, words in arguments.named().items():
        if key in labels:
            arguments.get(key)
            pieces.append(words if off else labels[key].format(words))
    return "; ".join([*pieces, *(piece for piece in arguments.all() if piece)]) or None


def japanese(arguments: Arguments) -> str | None:
    """``{{nihongo|English|kanji|rōmaji|extra|extra 2}}``: "English (kanji, rōmaji, extra) extra 2"."""
    english, kanji, romaji, extra = (arguments.get(*names) for names in (("1",), ("2",), ("3",), ("4", "extra")))
    behind = arguments.get("5", "extra2")
    if arguments.is_on("lead"):
        kanji, romaji = (
            f"{label}: {words}" if words else "" for label, words in (("Japanese", kanji), ("Hepburn", romaji))
        )
    head, within = (english, [kanji, romaji]) if english else (romaji, [kanji])
    brackets = ", ".join(piece for piece in [*within, extra] if piece)
    if not head:
        return f"{brackets} {behind}".strip() or None
    return f"{head}{f' ({brackets})' if brackets else ''} {behind}".strip()


def interlanguage(arguments: Arguments) -> str | None:
    """``{{ill|Title|de|Titel|lt=words}}``, or in its older form ``{{ill|de|Titel|Title|words}}``."""
    arguments.ignore(("preserve", "nobold", "v", "vertical-align", "reasonator", "s", "short", "WD", "cat", "display"))
    given = arguments.all()
    title, words = arguments.get("1"), arguments.get("lt", "display")
    if _LANGUAGE_CODE.fullmatch(title) and len(given) > 2:
        title, words = arguments.get("3", "2"), words or arguments.get("4")
    return f"[[{title}|{words or title}]]" if title else None


def sortname(arguments: Arguments) -> str | None:
    """``{{sortname|Ann|Elm|dab=poet}}``: the full name, linked to its page."""
    arguments.ignore(("sort", "nolink", "4"))
    name = " ".join(piece for piece in (arguments.get("1"), arguments.get("2")) if piece)
    title, kind = arguments.get("3"), arguments.get("dab")
    if not name or arguments.is_on("nolink"):
        return name or None
    return f"[[{title or name + (f' ({kind})' if kind else '')}|{name}]]"


def verse(arguments: Arguments) -> str | None:
    """``{{bibleverse|1|Cor|13:4|KJV}}``: "1 Cor 13:4"; the version only chooses the link's target."""
    first, second, third, version, own = (arguments.get(name) for name in "12345")
    if own:
        return own
    if not first or first in ("1", "2", "3", "4", "I", "II", "III", "IV"):
        return " ".join(piece for piece in (first, second, third) if piece) or None
    return version or f"{first} {second}".strip()


def ship(arguments: Arguments, prefix: str) -> str | None:
    """``{{USS|Enterprise|CV-6}}``: "USS Enterprise (CV-6)"; a last parameter chooses the parts that are shown."""
    arguments.ignore(("up", "sub"))
    position = 1 if prefix else 2
    prefix = prefix or arguments.get("1")
    name, number, shape = (arguments.get(str(position + offset)) for offset in range(3))
    if not name:
        return None
    whole = f"{prefix} {name} ({number})" if number else f"{prefix} {name}"
    shapes = {"": whole, "2": name, "3": f"{name} ({number})", "6": f"{prefix} {name}"}
    return f"[[{whole}|{shapes[shape]}]]" if shape in shapes else None


_COUNTRY_CODE = re.compile(r"[A-Z]{2,3}")


def country(arguments: Arguments, shape: str, countries: Mapping[str, str]) -> str | None:
    """``{{flag|Italy}}``, ``{{fb|ITA}}``: the country's name in the given shape; None for an unknown code."""
    arguments.ignore(("2", "variant", "altlink", "altvar", "avar", "size"))
    given, own = arguments.get("1"), arguments.get("name")
    if _COUNTRY_CODE.fullmatch(given):
        given = countries.get(given, "")
    if not given:
        return None
    return f"[[{given}|{own}]]" if own else shape.format(given)


def author_year(arguments: Arguments) -> str | None:
    """``{{harvtxt|Elm|Oak|2000|p=5}}``, a citation within the sentence: "Elm & Oak (2000, p. 5)"."""
    *authors, year = [piece for piece in arguments.all() if piece] or [""]
    page, pages, location = arguments.get("p"), arguments.get("pp"), arguments.get("loc")
    if not authors:
        return None
    names = (
        f"{authors[0]} et al." if len(authors) > 3 else " & ".join(filter(None, (", ".join(authors[:-1]), authors[-1])))
    )
    details = [year, f"p. {page}" if page else "", f"pp. {pages}" if pages else "", location]
    return f"{names} ({', '.join(filter(None, details))})"


def coordinates(arguments: Arguments) -> str | None:
    """Empty for coordinates at the head of the page, which belong to no sentence; a loss within the text."""
    arguments.ignore_all()
    at_head = arguments.get("display") in ("title", "t") or (arguments.get("article") and not arguments.get("text"))
    return "" if at_head else None


def inline_list(arguments: Arguments, joiner: str = ", ") -> str | None:
    """``{{hlist|a|b}}``: "a, b"."""
    return joiner.join(piece for piece in arguments.all() if piece) or None


def enumeration(arguments: Arguments, last: str) -> str | None:
    """``{{enum|a|b|c}}``: "a, b, and c"."""
    arguments.ignore(("sep", "sept"))
    given = [piece for piece in arguments.all() if piece]
    if len(given) < 3:
        return f" {last} ".join(given) or None
    return f"{', '.join(given[:-1])}, {last} {given[-1]}"


def block_list(arguments: Arguments) -> str | None:
    """``{{ubl|a|b}}``: list items."""
    arguments.ignore(
        name for name in arguments.named() if name.endswith(("style", "style1", "type", "start", "indent"))
    )
    pieces = [piece for piece in arguments.all() if piece]
    return "".join(f"\n* {piece}" for piece in pieces) + "\n\n" if pieces else None


_QUOTED = ("1", "text", "quote", "Text", "texte", "texto", "testo", "tekst", "Zitat", "цитата")
_AUTHOR = ("2", "author", "by", "sign", "Autor", "autor", "auteur", "autore", "автор")
_SOURCE = ("3", "source", "title", "Quelle", "fuente", "título", "fonte", "fonte", "titre", "source", "bron", "źródło")
_QUOTE_OFF = ("multiline", "qid", "oldid", "lang", "Sprache", "lingua", "langue", "ref", "cite", "link")


def quoted(arguments: Arguments, shape: str) -> str | None:
    """The words in one pair of the wiki's quotation marks, followed by their author and source."""
    words, credit = _quote(arguments)
    opening, closing = shape.split("{}")
    if not words:
        return None
    if not (words.startswith(opening.strip()) and words.endswith(closing.strip())):
        words = shape.format(words)
    return f"{words} – {credit}" if credit else words


def quote_block(arguments: Arguments) -> str | None:
    """A quotation as a paragraph, with its author and source below it."""
    words, credit = _quote(arguments)
    if not words:
        return None
    return f"\n\n{words}\n\n— {credit}\n\n" if credit else f"\n\n{words}\n\n"


def _quote(arguments: Arguments) -> tuple[str, str]:
    arguments.ignore(_QUOTE_OFF)
    words = arguments.get(*_QUOTED)
    return words, ", ".join(piece for piece in (arguments.get(*_AUTHOR), arguments.get(*_SOURCE)) if piece)
