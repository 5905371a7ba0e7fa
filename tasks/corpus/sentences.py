"""Where the sentences of a paragraph are.

A rule-based splitter: a stop, then whatever closes quotes and brackets, then a space and something that begins a
sentence; but not after an abbreviation, an initial, or (in languages that write ordinals so) a number. In Chinese and
Japanese a full-width stop ends a sentence wherever it stands outside of quotes and brackets.
"""

import re
from functools import lru_cache
from pathlib import Path

import yaml

_CLOSING = "\"'”’»)\\]"
_STOP = re.compile(rf"[.!?…]+[{_CLOSING}]*(?=\s)|[。！？]+[」』”’）》〉】]*|\n")
_WORD = re.compile(r"[^\s(\[\"'“‘«–—/]*$")
_OPENING = "\"'“‘«([„¿¡—– "
_INITIALS = re.compile(r"(?:[^\W\d_]\.)*[^\W\d_]")
_ORDINALS = frozenset({"de", "da", "no", "nb", "nn", "fi", "cs", "sk", "hu", "pl", "et", "lv", "sl", "hr", "sr", "bs", "is", "tr"})
_PAIRS = {"「": "」", "『": "』", "“": "”", "（": "）", "《": "》", "(": ")"}


@lru_cache(maxsize=16)
def _abbreviations(language: str) -> frozenset[str]:
    known = yaml.safe_load(Path(__file__).with_name("abbreviations.yaml").read_text("utf-8"))
    return frozenset(str(word) for word in known["all"] + known.get(language, []))


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
    follows = text[stop.end() :].lstrip()
    beginning = follows.lstrip(_OPENING)[:1]
    if not beginning or beginning.islower():
        return not beginning
    if sign != "." or len(stop[0].rstrip("\"'”’»")) > 1:
        return True
    return not _is_abbreviation(text, stop.start(), language, follows)


def _is_within_pair(sentence: str) -> bool:
    return any(sentence.count(opening) > sentence.count(closing) for opening, closing in _PAIRS.items())


def _is_abbreviation(text: str, stop: int, language: str, follows: str) -> bool:
    """Whether the stop belongs to the word before it."""
    found = _WORD.search(text, max(0, stop - 40), stop)
    word = found[0] if found else ""
    lowered = word.lower()
    if word.isdecimal():
        return language in _ORDINALS and len(word) <= 2 and follows[:1].isupper()
    known = _abbreviations(language)
    if lowered in known or " ".join(text[max(0, stop - 10) : stop].lower().split()[-2:]) in known:
        return True
    if len(word) == 1 and word.isupper():
        return text[stop + 1 : stop + 2] != "" and not _closes_with_letter(text, stop)
    return "." in word and bool(_INITIALS.fullmatch(word)) and not _begins_common(follows)


def _closes_with_letter(text: str, stop: int) -> bool:
    """A single capital that ends a sentence is a grade or a name ("vitamin C.", "World War I."), no initial."""
    before = text[max(0, stop - 24) : stop - 1].split()
    return bool(before) and before[-1][:1].islower() or (bool(before) and text[stop - 1] == "I" and before[-1] == "War")


_COMMON = frozenset(
    {"The", "A", "An", "In", "It", "He", "She", "They", "This", "These", "That", "On", "At", "By", "For", "From", "After", "As", "But", "However", "His", "Her", "Its", "There", "When", "While", "With"}
)


def _begins_common(follows: str) -> bool:
    """After "the U.S." a sentence begins where a word follows that no name begins with."""
    first = re.match(r"\w+", follows)
    return bool(first) and first[0] in _COMMON  # type: ignore[index]
