"""Behaviour switches: ``__NOTOC__`` and what it is called in the wiki's own language."""

import re
from collections.abc import Set

from tasks.wikitext.titles import folded

_WORD = r"[^\s_＿<>\[\]{}|\x00-\x1f]++"
_SWITCHES = {bars: re.compile(rf"{bars}({_WORD}(?:_{_WORD})*+){bars}") for bars in ("__", "＿＿")}


def without_switches(text: str, names: Set[str]) -> str:
    """Text without the switches of these names, and without those in other scripts than Latin.

    No table holds all names of all wikis. In Latin letters only known names are switches, for ``__init__`` and
    ``__FILE__`` are words; in other scripts nobody writes such words, unless in small letters.
    """

    def shown(found: re.Match[str]) -> str:
        name = folded(found[1])
        is_foreign = any(map(str.isalpha, name)) and not any("a" <= letter <= "z" for letter in name)
        return "" if name in names or (is_foreign and found[1] == found[1].upper()) else found[0]

    for bars, pattern in _SWITCHES.items():
        if bars[0] in text and bars in text:  # a single character is found faster than a pair
            text = pattern.sub(shown, text)
    return text
