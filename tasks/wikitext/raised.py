"""Raised and lowered text, ``<sup>`` and ``<sub>``, on one line of plain text.

A power must not become a part of its base: "10<sup>6</sup>" is "10⁶", "2<sup>k</sup>" is "2^k". Endings of ordinals
and abbreviations are not powers: "19<sup>th</sup>" is "19th", "M<sup>me</sup>" is "Mme". Lowered text is written like
other text, "H2O", unless digits would meet: "log₂8".
"""

import html
import re

from tasks.templates.marks import MARK
from tasks.templates.numerals import lowered_digits, raised_digits

# The innermost element: tags other than sup and sub may be within it. The lookahead gives the next character, which
# decides whether the text is a power. Unrolled with possessive quantifiers, because the naive form backtracks.
_ELEMENT = re.compile(
    r"<(su[pb])\b(?:[^<>]*[^<>/])?>([^<]*+(?:<(?!/?su[pb]\b)[^<]*+)*+)</\1\s*>(?=(.?))", re.IGNORECASE | re.DOTALL
)
_TAG_OR_MARK = re.compile(rf"<[^<>]*>|{MARK}")
_MARKS = re.compile(rf"({MARK})")
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
_LOOK_BACK = 120
_NESTED = 5
_ENDINGS = frozenset(
    (
        *("st", "nd", "rd", "th", "e", "er", "re", "ère", "eme", "ème", "ième", "ier", "nde", "r", "o", "os", "a"),
        *("as", "ª", "º", "°", "ro", "do", "to", "vo", "mo", "na", "ra", "da", "ta", "va", "ma", "me", "mes", "mr"),
        *("mgr", "lle", "mlle", "mlles", "gr", "rs", "té", "te", "ts", "le", "la", "ᵉ"),
    )
)
"""Endings of ordinals and abbreviations in the languages that raise them."""
_SYMBOLS = re.compile(r"[^\w\s]+")
_SIMPLE = re.compile(r"[+\-−]?[\w.,]+")


def in_line(text: str) -> str:
    """The text with ``<sup>`` and ``<sub>`` replaced, from the innermost outwards."""
    if "<" not in text:
        return text
    for _ in range(_NESTED):
        text, count = _ELEMENT.subn(_placed, text)
        if not count:
            break
    return text


def _placed(found: re.Match[str]) -> str:
    inner = _TAG.sub("", found[2])
    words = html.unescape("".join(_MARKS.split(inner)[::2])).strip()
    if not words:
        return inner
    before = found.string[max(0, found.start() - _LOOK_BACK) : found.start()]
    before = _TAG_OR_MARK.sub("", before)[-2:]
    place = superscript if found[1].lower() == "sup" else subscript
    shown = place(words, before, found[3])
    if shown == words:
        return inner.strip()
    pieces = _MARKS.split(inner)
    texts = [index for index in range(0, len(pieces), 2) if pieces[index].strip()]
    for index in texts:
        pieces[index] = ""
    pieces[texts[0]] = shown.replace("&", "&amp;").replace("<", "&lt;")
    return "".join(pieces)


def superscript(text: str, before: str = "", after: str = "") -> str:
    """Raised text between ``before`` and ``after``: "⁶", "^k", "^(n/2)", "th"."""
    raised = raised_digits(text)
    if raised != text and not any(sign.isascii() or sign in text for sign in raised):
        return raised
    if text.lower().rstrip(".") in _ENDINGS or _SYMBOLS.fullmatch(text) or not _is_base(before, after, text):
        return text
    return f"^{text}" if _SIMPLE.fullmatch(text) else f"^({text})"


def _is_base(before: str, after: str, text: str) -> bool:
    """Whether the text is a power of what is before it: a number, a bracket, or a single letter."""
    last = before[-1:]
    if last.isdigit() or last in (")", "]", "π"):
        return True
    is_variable = last.isalpha() and last.isascii() and not before[-2:-1].isalpha()
    return is_variable and not after.isalpha() and (len(text) == 1 or not text.isalpha())


def subscript(text: str, before: str = "", after: str = "") -> str:
    """Lowered text: unchanged, except digits beside other digits."""
    if (before[-1:].isdigit() and text[:1].isdigit()) or (after.isdigit() and text[-1:].isdigit()):
        lowered = lowered_digits(text)
        return lowered if not any(sign.isascii() for sign in lowered) else f"_{text}"
    return text
