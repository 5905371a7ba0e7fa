"""Members of lists: in "Israel, Malaysia, Indonesia, Pakistan and Oman" a missing member could be any country."""

import re
from dataclasses import dataclass
from itertools import takewhile

from tasks.corpus.words import count_unspaced

MIN_OTHERS = 3
"""Fewest short members beside a span that make it a member of a list."""
MAX_MEMBER_WORDS = 4

_JOINT = r"(?:and|or|und|oder|sowie)"
_JOINED = re.compile(rf"\b{_JOINT}\s+\Z")
_HAN_JOINT = r"(?:以及|[和与與及])"
# A border between members: a separator, a joint, or both ("、和"). Chinese joints need no spaces.
_BORDER = re.compile(rf"[,;]\s+(?:{_JOINT}\s+)?|\s+{_JOINT}\s+|、{_HAN_JOINT}?|[；，]?{_HAN_JOINT}|；")
_LEAD = (
    r"\b(?:such as|includ(?:e|es|ed|ing)|especially|particularly|notably|like|are|were"
    r"|wie|etwa|darunter|insbesondere|vor allem|sind|waren|gehören|zählen"
    r"|(?:works?|writings|novels|films|songs) (?:of|by)|Werken? von)\b"
)
_EDGE = re.compile(rf"{_LEAD}(?: u\. a\.)?|[()（）:：—]|\s–\s")
"""The ends of a row: brackets, dashes, and the words that lead to the list."""
_OPEN = re.compile(
    r"\b(?:such as|\w{3,}s like|as well, like|as in|e\.\s?g\.|for example|for instance)(?=\W)"
    r"|\b(?:wie|etwa|u\.\s?a\.|unter anderem|z\.\s?B\.|beispielsweise)(?=\W)|如"
)
"""Words that begin an open list: there one other member is enough to make a span a member.

"like" begins a list only behind a plural of three letters and more ("towns like"): otherwise it may be a verb.
"""
_INCLUDES = re.compile(
    r"\b(?:includ(?:e|es|ed|ing)|especially|particularly|notably|darunter|insbesondere|vor allem)\b|包括|尤其|特别是"
)
_INCLUDED_FIRST = re.compile(rf"(?:{_INCLUDES.pattern}) ?(?:the )?\Z")
_NEXT_NAME = re.compile(r",(?: and| or| und| oder)? (?:the )?[A-ZÀ-Þ\d]")
"""A second member behind the first; it may be of any length."""
_OTHERS = re.compile(
    r"\b(?:and|or) (?:\w+ )?others?\b|\b(?:und|oder|sowie) (?:\w+ )?andere[nr]?\b"
    r"|\b(?:are|were) (?:all )?(?:among|some of|examples? of)\b"
    r"|\b(?:sind|waren|gehören|zählen) (?:einige|Beispiele|zu)\b"
    r"|(?<![高中初平同])等(?![级級于於待同候])"
)
"""Words that end an open list. A member may still have a role that distinguishes it from the others.

The lookarounds keep 等 as "and so on" apart from words with the same character: 高等, 平等, 等级, 等于.
"""
_LIST_LEAD = re.compile(rf"{_OPEN.pattern}|\b(?:includ(?:e|es|ing)|among|darunter|unter)\b|包括")
_ARTICLE = re.compile(r"(?:(?:in|im|from|of|by|von|aus)\s+)?(?:(?:the|an?|de[rnms]|die|das)\s+)?")
# A capitalised word, then more of them or the small words that names contain: "Bank of Ostel".
_NAME = re.compile(r"[A-ZÀ-Þ][\w'’.-]*(?: (?:of|the|at|for|in|and|von|der|für|[A-ZÀ-Þ][\w'’.-]*))*")
_OWNER = re.compile(r"(?:[A-Z]\w+ ){0,2}[A-Z]\w+['’]s? ")
_WORD = re.compile(r"\w+")


def are_exchangeable(between: str) -> bool:
    """Whether the answers of two masks could be exchanged, judged by the text between the masks.

    They could if it is white space, a comma, "and", "or in", or short members of the same row.
    """
    first, *members = _BORDER.split(between)
    if first.strip() or not members:
        return not between.strip()
    *others, last = members
    return _ARTICLE.fullmatch(last) is not None and all(_is_short(other) for other in others)


def are_of_one_list(lead: str, between: str) -> bool:
    """Whether two masks are members of a list that begins with "include" or "such as"; members may be of any length.

    Args:
        lead: the sentence of both masks, up to the first mask.
    """
    return _LIST_LEAD.search(lead) is not None and _BORDER.search(between) is not None


def is_listed(sentence: str, start: int, end: int) -> bool:
    """Whether ``sentence[start:end]`` is in a row of short members, separated by commas, "and" or "or".

    The first member may have other words before it ("among them Israel, …"), the last member behind it.
    """
    *_, opened = None, *_OPEN.finditer(sentence[:start])
    if opened is not None and _leads_to_name(sentence[opened.end() : start].lstrip()):
        return True
    row = _Row.around(sentence, start, end)
    if opened is not None and (row.is_later_member or row.is_last):
        return True
    is_included = _INCLUDES.search(sentence[:start]) is not None
    if is_included and _INCLUDED_FIRST.search(sentence[:start]) and _NEXT_NAME.match(sentence[end:]):
        return True
    is_followed = _OTHERS.search(sentence[end:]) is not None
    is_open = opened is not None or (row.has_no_role and (is_included or is_followed))
    if is_open and row.has_no_role and row.is_beside_name:
        return True
    return row.others() >= (1 if is_open else MIN_OTHERS) or row.is_one_of_three_names


def _leads_to_name(words: str) -> bool:
    """Whether the words are an article, a preposition or a possessive: "Homer's"."""
    return _ARTICLE.fullmatch(words) is not None or _OWNER.fullmatch(words) is not None


@dataclass(frozen=True)
class _Row:
    """The row around a span: pieces that are separated by commas, "and" or "or". One piece contains the span."""

    pieces: list[str]
    own: int
    """Index of the piece with the span."""
    before: str
    """Text before the span in its piece."""
    behind: str
    """Text behind the span in its piece."""
    is_led: bool
    """Whether other text precedes the row in its sentence."""
    joints: list[bool]
    """For each piece except the first, whether "and" or "or" is before it."""

    @classmethod
    def around(cls, sentence: str, start: int, end: int) -> "_Row":
        """The row between the edges around a span."""
        edges = [edge.span() for edge in _EDGE.finditer(sentence)]
        begins = max((behind for _, behind in edges if behind <= start), default=0)
        ends = min((before for before, _ in edges if before >= end), default=len(sentence))
        begins += len(sentence[begins:start]) - len(sentence[begins:start].lstrip())
        text, start, end = sentence[begins:ends].rstrip(), start - begins, end - begins
        borders = [border for border in _BORDER.finditer(text) if border.end() <= start or end <= border.start()]
        cuts = [0, *(offset for border in borders for offset in border.span()), len(text)]
        bounds = list(zip(cuts[::2], cuts[1::2], strict=True))
        own = next(n for n, (first, last) in enumerate(bounds) if first <= start and end <= last)
        first, last = bounds[own]
        return cls(
            pieces=[text[slice(*bound)] for bound in bounds],
            own=own,
            before=text[first:start],
            behind=text[end:last],
            is_led=begins > 0,
            joints=[_JOINED.search(text[:first]) is not None for first, _ in bounds[1:]],
        )

    @property
    def is_member(self) -> bool:
        """Whether the span's piece is short."""
        return _count_words(self.before) + _count_words(self.behind) + 1 <= MAX_MEMBER_WORDS

    @property
    def is_later_member(self) -> bool:
        return self.own > 0 and self.is_member

    @property
    def is_last(self) -> bool:
        """Whether the span's piece ends the list; the sentence may go on behind it."""
        return self.own > 0 and self.joints[self.own - 1] and _count_words(self.before) <= 2

    @property
    def has_no_role(self) -> bool:
        """Whether the span's piece has no words that distinguish it from the other members."""
        role = _ARTICLE.sub("", self.before.lstrip()) if self.is_led or self.own > 0 else ""
        tail = "" if _OTHERS.match(self.behind) else self.behind
        return not f"{role}{tail}".strip(" .")

    @property
    def is_one_of_three_names(self) -> bool:
        """Whether the span and two other bare names are a row: "Tarn, Ostel and Kalo"."""
        if self.behind or not self.pieces[self.own][len(self.before) :][:1].isupper():
            return False
        ends = [n for n, joined in enumerate(self.joints, start=1) if joined and 0 <= n - self.own <= 2]
        return any(self._are_three_names(end) for end in ends)

    def _are_three_names(self, end: int) -> bool:
        """Whether the three pieces up to ``end`` are names. Only the first may begin with more than an article."""
        others = [self.pieces[n] for n in range(end - 2, end + 1) if n != self.own and n >= 0]
        is_bare = self.own == end - 2 or _ARTICLE.fullmatch(self.before.lstrip()) is not None
        return is_bare and len(others) == 2 and all(map(_is_name, others))

    @property
    def is_beside_name(self) -> bool:
        """Whether a piece next to the span's is a name, of any length."""
        beside = self.pieces[max(0, self.own - 1) : self.own] + self.pieces[self.own + 1 : self.own + 2]
        return any(map(_is_name, beside))

    def others(self) -> int:
        """The number of short members next to the span without a gap."""
        before = _count_short(self.pieces[: self.own][::-1]) if self.is_member or not self.before else 0
        if 0 < before == self.own - 1 and _count_words(self.before) + _count_words(self.behind) == 0:
            before += 1  # the first member, whose piece also has the words that lead to the list
        behind = _count_short(self.pieces[self.own + 1 :]) if self.is_member or not self.behind else 0
        return before + behind


def _count_words(text: str) -> int:
    """The number of words; in a script without spaces two characters count as one."""
    return max(len(_WORD.findall(text)), (count_unspaced(text) + 1) // 2)


def _is_name(piece: str) -> bool:
    return _NAME.fullmatch(_ARTICLE.sub("", piece.strip(), count=1)) is not None


def _is_short(piece: str) -> bool:
    return 0 < _count_words(piece) <= MAX_MEMBER_WORDS


def _count_short(pieces: list[str]) -> int:
    return sum(1 for _ in takewhile(_is_short, pieces))
