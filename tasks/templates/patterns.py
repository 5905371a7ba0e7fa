"""The small language in which the tables (tables/) write a template's words.

    {1}, {name}      a parameter
    {lt|1}           the first of these parameters that is given; {-1} is the last parameter without a name
    ‹, born {2}›     shown only if a parameter within it is given
    {!2|reason}      parameters that a reader does not see; {!*} stands for all others

A sign that a parameter already has is not written twice: "US${1}" is "US$5" for both "$5" and "5".
"""

import re
from collections.abc import Callable, Iterator
from itertools import pairwise

from tasks.templates.arguments import Arguments
from tasks.templates.marks import GAP

Words = Callable[[Arguments], str]

_HIDDEN = re.compile(r"\{!([^{}]+)\}")
_OPTIONAL = re.compile(r"‹([^‹›]*)›")
_PLACE = re.compile(r"\{([^{}!][^{}]*)\}")
# The signs that editors repeat in the parameter: a currency, alone or behind its country ("US$"), a short word with a
# full stop ("c.", "fl."), and "AD". Only at the start or behind a space or bracket, so that no end of a word matches.
_SIGN_BEFORE = re.compile(r"(?:^|(?<=[\s(\[‹]))([^\W\d_]{0,4}[$€£¥₹₩₱₺₽−±]|[^\W\d_]{1,6}\.|AD)\s*$")
_SIGN_AFTER = re.compile(r"\s*([%‰°€$£¥]|percent|kr|BCE?|CE|siècle)(?!\w)")
_CURRENCY = "$€£¥₹₩₱₺₽"


def compiled(pattern: str) -> Words:
    """The function that fills a pattern with the parameters of a call."""
    hidden = [name for found in _HIDDEN.findall(pattern) for name in found.split("|")]
    pattern = _HIDDEN.sub("", pattern)
    if pattern == "{1}" and not hidden:
        return lambda arguments: arguments.get("1") or GAP
    pieces = list(_pieces(pattern))

    def words(arguments: Arguments) -> str:
        if hidden:
            arguments.ignore_all() if hidden == ["*"] else arguments.ignore(hidden)
        return "".join(piece(arguments) for piece in pieces)

    return words


def _pieces(pattern: str) -> Iterator[Words]:
    for number, part in enumerate(_OPTIONAL.split(pattern)):
        if part:
            yield _optional(part) if number % 2 else _filled(part)


def _optional(part: str) -> Words:
    names = [name for place in _PLACE.findall(part) for name in place.split("|")]
    inner = _filled(part)
    return lambda arguments: inner(arguments) if arguments.get(*names) else ""


def _filled(part: str) -> Words:
    pieces = _PLACE.split(part)
    literals, places = pieces[::2], [found.split("|") for found in pieces[1::2]]
    if not places:
        return lambda _: part
    signs = [(_sign(_SIGN_BEFORE, before), _sign(_SIGN_AFTER, after)) for before, after in pairwise(literals)]

    def words(arguments: Arguments) -> str:
        shown = literals[0]
        for names, (before, after), literal in zip(places, signs, literals[1:], strict=True):
            value = arguments.get(*names)
            shown += (_without_sign(value, before, after) if before or after else value) or GAP
            shown += literal
        return shown

    return words


def _sign(pattern: re.Pattern[str], literal: str) -> str:
    found = pattern.search(literal) if pattern is _SIGN_BEFORE else pattern.match(literal)
    return found[1] if found else ""


def _without_sign(value: str, before: str, after: str) -> str:
    for sign in (before, before[-1:] if before[-1:] in _CURRENCY else ""):
        if sign and value.startswith(sign):
            value = value[len(sign) :].lstrip()
            break
    for sign in (after, "%" if after == "percent" else ""):
        if sign and value.endswith(sign):
            value = value[: -len(sign)].rstrip()
    return value
