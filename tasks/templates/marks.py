"""Marks within a text that is being cleaned, so that offsets are counted only once, at the end.

Marks are control characters that XML does not allow, so dumps do not contain them. A gap replaces markup that shows no
words, a loss replaces words that cannot be shown, and a link mark surrounds an anchor. A mark moves with the text
around it and disappears with it.
"""

import re
from typing import Any, NamedTuple

from pydantic import TypeAdapter

from schemas.records import Link, Lost

GAP = "\x01"
LOST_OPEN = "\x02"
LOST = rf"{LOST_OPEN}[^\x03]*\x03"
LINK_OPEN = r"\x04\d+\x05"
LINK_CLOSE = "\x06"
MARK = rf"(?:{GAP}|{LOST}|{LINK_OPEN}|{LINK_CLOSE})"

_ANY = re.compile(r"\x02([^\x03]*)\x03|\x04(\d+)\x05|\x06")
_LINKS, _LOSSES = TypeAdapter(list[Link]), TypeAdapter(list[Lost])
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")


class Marked(NamedTuple):
    text: str
    links: list[Link]
    lost: list[Lost]


def lost(reason: str) -> str:
    return f"\x02{_CONTROLS.sub('', reason)[:60]}\x03"


def without_controls(text: str) -> str:
    return _CONTROLS.sub("", text)


class LinkMarks:
    """The targets of one page's links, by the number in their mark, and the categories that its links name."""

    def __init__(self) -> None:
        self.targets: list[str] = []
        self.categories: list[str] = []

    def mark(self, target: str, anchor: str) -> str:
        self.targets.append(target)
        return f"\x04{len(self.targets) - 1}\x05{anchor}\x06"


def unmark(text: str, targets: list[str]) -> Marked:
    """The text without its marks, and the links and losses with their offsets in code points."""
    pieces = _ANY.split(text)
    spans: list[tuple[int, int, str]] = []
    losses: list[dict[str, Any]] = []
    begun: tuple[int, str] | None = None
    length = len(pieces[0])
    for reason, number, words in zip(pieces[1::3], pieces[2::3], pieces[3::3], strict=True):
        if reason is not None:
            losses.append({"start": length, "reason": reason})
        elif number is not None:
            begun = length, targets[int(number)]
        elif begun is not None:
            if length > begun[0]:
                spans.append((begun[0], length, begun[1]))
            begun = None
        length += len(words)
    plain = "".join(pieces[::3])
    links = [{"start": start, "end": end, "target": target, "anchor": plain[start:end]} for start, end, target in spans]
    return Marked(plain, _LINKS.validate_python(links), _LOSSES.validate_python(losses))
