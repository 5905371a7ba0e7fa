"""Behaviour switches: ``__NOTOC__`` and what it is called in the wiki's own language."""

import re
from collections.abc import Set

_SWITCH = re.compile(r"(?:__|＿＿)([^\W_]++(?:_[^\W_]++)*+)(?:__|＿＿)")


def without_switches(text: str, names: Set[str]) -> str:
    """Text without the switches of these names, and without those in other scripts than Latin.

    No table holds all names of all wikis. In Latin letters only known names are switches, for ``__init__`` and
    ``__FILE__`` are words; in other scripts nobody writes such words, unless in small letters.
    """
    if "__" not in text and "＿＿" not in text:
        return text

    def shown(found: re.Match[str]) -> str:
        name = found[1].replace("_", " ")
        lowered = name.lower()
        is_foreign = any(map(str.isalpha, name)) and not any("a" <= letter <= "z" for letter in lowered)
        return "" if lowered in names or (is_foreign and name == name.upper()) else found[0]

    return _SWITCH.sub(shown, text)
