"""Behaviour switches: ``__NOTOC__`` and its names in the wiki's own language."""

import re
from collections.abc import Set

from tasks.wikitext.titles import folded

# Words joined by single underscores, since `__A__B__` is the switch A and then `B__`. Japanese and Chinese also write
# the wide underscore. Possessive quantifiers keep text with many underscores linear.
_WORD = r"[^\s_＿<>\[\]{}|\x00-\x1f]++"
_SWITCHES = {bars: re.compile(rf"{bars}({_WORD}(?:_{_WORD})*+){bars}") for bars in ("__", "＿＿")}


def without_switches(text: str, names: Set[str]) -> str:
    """The text without switches: names that are known, and any name in a script other than Latin.

    The table does not contain all names of all wikis. In Latin letters only known names are switches, because
    ``__init__`` and ``__FILE__`` are words. In other scripts such words are not written, except in small letters.
    """

    def shown(found: re.Match[str]) -> str:
        name = folded(found[1])
        is_foreign = any(map(str.isalpha, name)) and not any("a" <= letter <= "z" for letter in name)
        return "" if name in names or (is_foreign and found[1] == found[1].upper()) else found[0]

    for bars, pattern in _SWITCHES.items():
        if bars[0] in text and bars in text:  # a single character is found faster than a pair
            text = pattern.sub(shown, text)
    return text
