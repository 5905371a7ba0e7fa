"""Marks that travel within a text while it is cleaned, so that offsets are counted once, when everything is done.

Made of control characters that XML does not allow, hence none are in a dump: a gap is where something without words
of its own was removed, ``lost`` where words were; a link surrounds its anchor. Whatever is cut out of the text takes
its marks along; whatever is put before them moves them.
"""

import re
from typing import NamedTuple

from schemas.records import Link, Lost

GAP = "\x01"
LOST = r"\x02[^\x03]*\x03"
LINK_OPEN = r"\x04\d+\x05"
LINK_CLOSE = "\x06"
MARK = rf"(?:{GAP}|{LOST}|{LINK_OPEN}|{LINK_CLOSE})"

_ANY = re.compile(r"\x02([^\x03]*)\x03|\x04(\d+)\x05|\x06")
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
    """Numbers the links of one page and remembers their targets, and the categories that links put it into."""

    def __init__(self) -> None:
        self.targets: list[str] = []
        self.categories: list[str] = []

    def mark(self, target: str, anchor: str) -> str:
        self.targets.append(target)
        return f"\x04{len(self.targets) - 1}\x05{anchor}\x06"


def unmark(text: str, targets: list[str]) -> Marked:
    """The text without its marks, and where they were, counted in code points."""
    pieces: list[str] = []
    spans: list[tuple[int, int, str]] = []
    losses: list[Lost] = []
    begun: tuple[int, str] | None = None
    length = position = 0
    for mark in _ANY.finditer(text):
        pieces.append(text[position : mark.start()])
        length += mark.start() - position
        position = mark.end()
        if mark[1] is not None:
            losses.append(Lost(start=length, reason=mark[1]))
        elif mark[2] is not None:
            begun = length, targets[int(mark[2])]
        elif begun is not None:
            if length > begun[0]:
                spans.append((begun[0], length, begun[1]))
            begun = None
    pieces.append(text[position:])
    plain = "".join(pieces)
    links = [Link(start=start, end=end, target=target, anchor=plain[start:end]) for start, end, target in spans]
    return Marked(plain, links, losses)
