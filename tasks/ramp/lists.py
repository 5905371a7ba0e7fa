"""Members of lists: in "Israel, Malaysia, Indonesia, Pakistan and Oman" nothing tells which of them is missing."""

import re
from itertools import takewhile

from tasks.ramp.words import count_unspaced

MIN_OTHERS = 3
"""Short members beside a span from which on it is one of a list."""
MAX_MEMBER_WORDS = 4

_JOINT = r"(?:and|or|und|oder|sowie)"
_JOINED = re.compile(rf"\b{_JOINT}\s+\Z")
_HAN_JOINT = r"(?:以及|[和与與及])"
_BORDER = re.compile(rf"[,;]\s+(?:{_JOINT}\s+)?|\s+{_JOINT}\s+|、{_HAN_JOINT}?|[；，]?{_HAN_JOINT}|；")
_LEAD = (
    r"\b(?:such as|includ(?:e|es|ed|ing)|especially|particularly|notably|like|are|were"
    r"|wie|etwa|darunter|insbesondere|vor allem|sind|waren|gehören|zählen"
    r"|(?:works?|writings|novels|films|songs) (?:of|by)|Werken? von)\b"
)
_EDGE = re.compile(rf"{_LEAD}(?: u\. a\.)?|[()（）:：—]|\s–\s")
"""What a row does not go on across: brackets, dashes, and the words that lead to it."""
_OPEN = re.compile(
    r"\b(?:such as|\w{3,}s like|as in|e\.\s?g\.|for example|for instance)(?=\W)"
    r"|\b(?:wie|etwa|u\.\s?a\.|unter anderem|z\.\s?B\.|beispielsweise)(?=\W)|如"
)
"""What an open list begins with: of such a list even one other member is enough."""
_INCLUDES = re.compile(
    r"\b(?:includ(?:e|es|ed|ing)|especially|particularly|notably|darunter|insbesondere|vor allem)\b|包括|尤其|特别是"
)
_OTHERS = re.compile(
    r"\b(?:and|or) (?:\w+ )?others?\b|\b(?:und|oder|sowie) (?:\w+ )?andere[nr]?\b"
    r"|\b(?:are|were) (?:all )?(?:among|some of|examples? of)\b"
    r"|\b(?:sind|waren|gehören|zählen) (?:einige|Beispiele|zu)\b"
    r"|(?<![高中初平同])等(?![级級于於待同候])"
)
"""What an open list may begin or end with; a member of it may have a role that tells it from the others."""
_LIST_LEAD = re.compile(rf"{_OPEN.pattern}|\b(?:includ(?:e|es|ing)|among|darunter|unter)\b|包括")
_ARTICLE = re.compile(r"(?:(?:in|im|from|of|by|von|aus)\s+)?(?:(?:the|an?|de[rnms]|die|das)\s+)?")
_OWNER = re.compile(r"(?:[A-Z]\w+ ){0,2}[A-Z]\w+['’]s? ")
_WORD = re.compile(r"\w+")


def are_exchangeable(between: str) -> bool:
    """Whether what stands between two masks leaves nothing to tell their answers apart.

    That is white space, a comma, "and", "or in", or short members of the same row.
    """
    first, *members = _BORDER.split(between)
    if first.strip() or not members:
        return not between.strip()
    *others, last = members
    return _ARTICLE.fullmatch(last) is not None and all(_is_short(other) for other in others)


def are_of_one_list(lead: str, between: str) -> bool:
    """Whether two masks are members of a list that is opened by "include" or "such as", however long its members are.

    Args:
        lead: the sentence of both, up to the first.
    """
    return _LIST_LEAD.search(lead) is not None and _BORDER.search(between) is not None


def is_listed(sentence: str, start: int, end: int) -> bool:
    """Whether ``sentence[start:end]`` stands in a row of short members, parted by commas, "and" or "or".

    The first member of a list may have its lead before it ("among them Israel, …"), the last one its tail.
    """
    *_, opened = None, *_OPEN.finditer(sentence[:start])
    is_open = opened is not None
    is_included = _INCLUDES.search(sentence[:start]) is not None
    is_followed = _OTHERS.search(sentence[end:]) is not None
    if opened:
        lead = sentence[opened.end() : start].lstrip()
        if _ARTICLE.fullmatch(lead) or _OWNER.fullmatch(lead):
            return True
    place = start
    sentence, start, end = _row_around(sentence, start, end)
    is_led = start < place
    borders = [border for border in _BORDER.finditer(sentence) if border.end() <= start or end <= border.start()]
    edges = [0, *(place for border in borders for place in border.span()), len(sentence)]
    pieces = list(zip(edges[::2], edges[1::2], strict=True))
    own = next(n for n, (begins, ends) in enumerate(pieces) if begins <= start and end <= ends)
    begins, ends = pieces[own]
    words_before, words_behind = _count_words(sentence[begins:start]), _count_words(sentence[end:ends])
    is_member = words_before + words_behind + 1 <= MAX_MEMBER_WORDS
    is_last = own > 0 and _JOINED.search(sentence[:begins]) is not None and words_before <= 2
    if is_open and own > 0 and (is_member or is_last):
        return True
    role = _ARTICLE.sub("", sentence[begins:start].lstrip()) if is_led or own > 0 else ""
    tail = "" if _OTHERS.match(sentence[end:ends]) else sentence[end:ends]
    has_no_role = not f"{role}{tail}".strip(" .")
    is_open |= has_no_role and (is_included or is_followed)
    before = _count_short(sentence, pieces[:own][::-1]) if is_member or start == begins else 0
    if 0 < before == own - 1 and words_before + words_behind == 0:
        before += 1  # the first member, behind what leads to the list
    behind = _count_short(sentence, pieces[own + 1 :]) if is_member or end == ends else 0
    return before + behind >= (1 if is_open else MIN_OTHERS)


def _row_around(sentence: str, start: int, end: int) -> tuple[str, int, int]:
    """What stands between the edges around a span, and the span's place in it."""
    edges = [edge.span() for edge in _EDGE.finditer(sentence)]
    begins = max((behind for _, behind in edges if behind <= start), default=0)
    ends = min((before for before, _ in edges if before >= end), default=len(sentence))
    begins += len(sentence[begins:start]) - len(sentence[begins:start].lstrip())
    return sentence[begins:ends].rstrip(), start - begins, end - begins


def _count_words(text: str) -> int:
    """Words; in a script without spaces two characters count as one."""
    return max(len(_WORD.findall(text)), (count_unspaced(text) + 1) // 2)


def _is_short(piece: str) -> bool:
    return 0 < _count_words(piece) <= MAX_MEMBER_WORDS


def _count_short(sentence: str, pieces: list[tuple[int, int]]) -> int:
    return sum(1 for _ in takewhile(lambda piece: _is_short(sentence[slice(*piece)]), pieces))
