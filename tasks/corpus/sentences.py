"""The sentences of a paragraph, by rules.

A sentence ends at a stop that is followed by closing quotes or brackets, if any, then a space and the beginning of a
sentence. The stop of an abbreviation, of an initial or, in languages with ordinals such as "19.", of a number does not
end a sentence. In Chinese and Japanese a full-width stop ends a sentence unless it is within quotes or brackets.
"""

import re
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import yaml

_CLOSING = "\"'”’»)\\]"
# The lookbehind and the possessive `++` let a long run of dots match only from its first dot, in linear time.
_STOP = re.compile(rf"(?<![.!?…])[.!?…]++[{_CLOSING}]*+(?=\s)|[。！？]+[」』”’）》〉】]*|\n")
# The word before a stop begins behind an opening bracket or quote, a dash or a slash: "(e.g.", "vol./no.".
_LAST_WORD = re.compile(r"[^(\[\"“‘«„–—/]*$")
# A first word with a stop in or behind it is an abbreviation: it is not looked up among words that begin sentences.
_FIRST_WORD = re.compile(r"\w+(?![.\w])")
_ROMAN = re.compile(r"[IVX]{1,5}")
_OPENING = "\"'“‘«([„¿¡—– "
# Single letters with stops between them: "U.S", but not "Ph.D".
_INITIALS = re.compile(r"(?:[^\W\d_]\.)*[^\W\d_]")
_LOOKAHEAD = 40
_LOOKBACK = 40
_LONGEST_PAIR = 300
_PAIRS = {"「": "」", "『": "』", "“": "”", "（": "）", "《": "》", "(": ")"}


class _Words(NamedTuple):
    """The lists of one language (sentences.yaml)."""

    within: frozenset[str]
    either: frozenset[str]
    begins: frozenset[str]
    lettered: frozenset[str]
    ordinals: bool


@lru_cache(maxsize=16)
def _words(language: str) -> _Words:
    lists = yaml.safe_load(Path(__file__).with_name("sentences.yaml").read_text("utf-8"))

    def of_kind(kind: str) -> frozenset[str]:
        return frozenset(lists[kind].get("all", []) + lists[kind].get(language, []))

    ordinals = language in lists["ordinals"]
    return _Words(of_kind("within"), of_kind("either"), of_kind("begins"), of_kind("lettered"), ordinals)


def sentences(text: str, language: str) -> list[tuple[int, int]]:
    """(start, end) of each sentence, in code points, without the spaces around it."""
    spans = []
    start = 0
    for stop in _STOP.finditer(text):
        if _ends_sentence(text, start, stop, language):
            spans.append((start, stop.end()))
            start = stop.end()
    spans.append((start, len(text)))
    return [trimmed for begin, end in spans if (trimmed := _trimmed(text, begin, end)) is not None]


def _trimmed(text: str, start: int, end: int) -> tuple[int, int] | None:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return (start, end) if start < end else None


def _ends_sentence(text: str, start: int, stop: re.Match[str], language: str) -> bool:
    sign = stop[0][0]
    if sign == "\n":
        return True
    if sign in "。！？":
        return not _is_within_pair(text[start : stop.end()])
    follows = text[stop.end() : stop.end() + _LOOKAHEAD].lstrip()
    beginning = follows.lstrip(_OPENING)[:1]
    if not beginning or beginning.islower() or beginning in ".,;:":
        return not beginning
    if sign != "." or stop[0].rstrip(")]") != ".":
        return True
    return not _is_abbreviation(text, stop.start(), language, follows)


def _is_within_pair(sentence: str) -> bool:
    """Whether a quote or bracket is open. In a long sentence it counts as never closed, so that it hides no stops."""
    if len(sentence) > _LONGEST_PAIR:
        return False
    return any(sentence.count(opening) > sentence.count(closing) for opening, closing in _PAIRS.items())


def _is_abbreviation(text: str, stop: int, language: str, follows: str) -> bool:
    """Whether the stop belongs to the word before it."""
    before = text[max(0, stop - _LOOKBACK) : stop].split()
    found = _LAST_WORD.search(before[-1]) if before else None
    if found is None or not found[0]:
        return False
    word, words = found[0].lstrip("'"), _words(language)
    begins = _FIRST_WORD.match(follows)
    is_followed_by_beginning = begins is not None and begins[0] in words.begins
    if word.isdecimal():
        return words.ordinals and len(word) <= 3 and follows[:1].isupper()
    if words.ordinals and _ROMAN.fullmatch(word):
        return not is_followed_by_beginning
    if len(word) == 1 and word.isupper():
        return not is_followed_by_beginning and (len(before) < 2 or before[-2].lower() not in words.lettered)
    forms = {word.lower(), " ".join(before[-2:]).lower(), " ".join(before[-3:]).lower()}
    if not forms.isdisjoint(words.within):
        return True
    may_end = not forms.isdisjoint(words.either) or ("." in word and bool(_INITIALS.fullmatch(word)))
    return may_end and not is_followed_by_beginning
