"""Titles of pages as MediaWiki writes them, from the targets of links and redirects."""

import html
import re
import unicodedata
from functools import lru_cache
from html.entities import html5
from urllib.parse import unquote_to_bytes

# Entities without a semicolon are not decoded, because MediaWiki shows them as text. The lengths are the longest that a
# code point and a name of HTML can have.
_ENTITY = re.compile(r"&(?:(#\d{1,7}|#[xX][0-9a-fA-F]{1,6})|[a-zA-Z][a-zA-Z0-9]{1,31});")
_PERCENT = re.compile(r"%[0-9a-fA-F]{2}")
_SPACES = re.compile(r"[ _\xa0\u1680\u180e\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+")
_DIRECTIONS = re.compile(r"[\u200e\u200f\u202a-\u202e]")
# Forbidden characters, percent-encoding, signatures, entities and relative paths.
_ILLEGAL = re.compile(r"[<>\[\]{}|\x00-\x1f\x7f\ufffd]|%[0-9a-fA-F]{2}|~~~|&[#\w]+;|(?:^|/)\.{1,2}(?:/|$)")
_MOST_BYTES = 255
_DOTTED_I = frozenset({"tr", "az", "kaa"})
_IJ_IS_A_LETTER = frozenset({"nl"})


def without_entities(text: str) -> str:
    """Text with ``&amp;`` and ``&#38;`` replaced by their characters. An entity must end in a semicolon."""
    return _ENTITY.sub(_character, text) if "&" in text else text


def _character(entity: re.Match[str]) -> str:
    return html.unescape(entity[0]) if entity[1] else html5.get(entity[0][1:], entity[0])


def decoded(target: str) -> str:
    """A link's target with percent-encoding and entities decoded; unchanged if its bytes are not UTF-8."""
    if "%" in target and _PERCENT.search(target):
        try:
            target = unquote_to_bytes(target).decode()
        except UnicodeDecodeError:
            return target
    return unicodedata.normalize("NFC", without_entities(target))


def spaced(name: str) -> str:
    """A name with single spaces instead of underscores and other white space, and without marks of direction."""
    return _SPACES.sub(" ", _DIRECTIONS.sub("", name)).strip(" ")


@lru_cache(maxsize=1024)
def folded(name: str) -> str:
    """The name of a namespace or a switch for comparison: in lower case, with dotted and dotless i as one letter."""
    return unicodedata.normalize("NFC", spaced(name).replace("İ", "i").replace("ı", "i").lower())


def is_legal(title: str) -> bool:
    """Whether a page can have this title: https://www.mediawiki.org/wiki/Manual:Page_title."""
    return bool(title) and not _ILLEGAL.search(title) and len(title.encode()) <= _MOST_BYTES


def capitalised(title: str, language: str) -> str:
    """A title with a capital first letter, as a wiki of this language writes it.

    A letter whose capital is two letters (ß) stays. So does a Georgian letter: Wikipedia does not use its capitals.
    """
    first = title[0]
    if first in "iI":
        if first == "i" and language in _DOTTED_I:
            return "İ" + title[1:]
        if title[1:2] == "j" and language in _IJ_IS_A_LETTER:
            return "IJ" + title[2:]
    if first.isupper():
        return title
    capital = first.upper()
    is_georgian = "\u10d0" <= first <= "\u10ff"
    return title if len(capital) > 1 or is_georgian else capital + title[1:]
