"""Members of lists: in "Israel, Malaysia, Indonesia, Pakistan and Oman" nothing tells which of them is missing."""

import re
from itertools import takewhile

MIN_OTHERS = 3
"""Short members beside a span from which on it is one of a list."""
MAX_MEMBER_WORDS = 4

_BORDER = re.compile(r"[,;]\s+(?:(?:and|or|und|oder|sowie)\s+)?|\s+(?:and|or|und|oder|sowie)\s+|[、；]|以及|[和与與及]")
_WORD = re.compile(r"\w+")


def is_listed(sentence: str, start: int, end: int) -> bool:
    """Whether ``sentence[start:end]`` stands in a row of short members, parted by commas, "and" or "or".

    The first member of a list may have its lead before it ("nations such as Israel, …"), the last one its tail.
    """
    borders = [border for border in _BORDER.finditer(sentence) if border.end() <= start or end <= border.start()]
    edges = [0, *(place for border in borders for place in border.span()), len(sentence)]
    pieces = list(zip(edges[::2], edges[1::2], strict=True))
    own = next(n for n, (begins, ends) in enumerate(pieces) if begins <= start and end <= ends)
    before, behind = pieces[:own][::-1], pieces[own + 1 :]
    begins, ends = pieces[own]
    is_member = _is_short(sentence, pieces[own])
    others = 0
    if is_member or start == begins:
        others += _count_short(sentence, before)
    if is_member or end == ends:
        others += _count_short(sentence, behind)
    return others >= MIN_OTHERS


def _is_short(sentence: str, piece: tuple[int, int]) -> bool:
    words = len(_WORD.findall(sentence[slice(*piece)]))
    return 0 < words <= MAX_MEMBER_WORDS


def _count_short(sentence: str, pieces: list[tuple[int, int]]) -> int:
    return sum(1 for _ in takewhile(lambda piece: _is_short(sentence, piece), pieces))
