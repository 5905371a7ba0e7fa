"""Tidies punctuation that is left over where markup was removed: "(; born 1900)", "word ,", "(, uchi)".

Only punctuation beside a mark (marks.py) is changed: empty brackets and doubled commas of an author stay. The patterns
are therefore tried on the characters around each mark and not on the whole text. A run of such characters may still be
long, so lookbehinds and possessive quantifiers keep a pattern from being tried again within a run where it has failed.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

from tasks.templates.marks import GAP, LOST, LOST_OPEN

_MARK = rf"(?:{GAP}|{LOST})"
_LOST = re.compile(LOST)
_HAS_MARK = re.compile(_MARK)

# "({{IPA|x}}; )": brackets around nothing but marks and separators, with the space before them.
_EMPTY_BRACKETS = re.compile(rf" ?[(（]((?:{_MARK}|[ ,;:/–])*)[)）]")
# "({{IPA|x}}; born 1900)": separators right behind an opening bracket.
_AFTER_BRACKET = re.compile(rf"([(\[（])((?:{_MARK}|[ ,;:/–])+)")
# "(born 1900, {{IPA|x}})": separators right before a closing bracket. The lookbehind lets a run match only from its
# first character; the two control characters in it are the ends of marks.
_BEFORE_BRACKET = re.compile(rf"(?<![ ,;:/–{GAP}\x03])((?:{_MARK}|[ ,;:/–])++)([)\]）])")
_BRACKET = re.compile(r"[()\[\]（）]")
# "a, {{x}}, b": a run of separators, and two or more at its beginning with only marks and spaces between. A space must
# follow, as it does in prose.
_SEPARATORS = re.compile(rf"[,;](?:{_MARK}|[ ,;])*+")
_DOUBLED = re.compile(rf"([,;])((?:{_MARK}| )*(?:[,;](?:{_MARK}| )*)+)(?= )")
# "1900–{{x}}.": a dash whose second half was removed.
_DANGLING = re.compile(rf"–({_MARK}+)(?=[ ,.;]|$)")
# "word {{cn}}.": the space before a mark would be left before the full stop. This pattern and the next begin only at
# the first space of a run.
_BEFORE_STOP = re.compile(rf"(?<! ) +({_MARK}+)([.,;](?:\s|$))")
_WITH_SPACES = re.compile(rf"(?<! ) *+(?:{_MARK} *+)++")
_BESIDE = frozenset(" ,;:/–.()[]（）")
"""The characters that the patterns above match besides marks: any other character ends a neighbourhood."""


def tidy(text: str) -> str:
    """The text without gaps, and without the brackets, separators and spaces that are left over beside marks."""
    if GAP not in text and LOST_OPEN not in text:
        return text.strip()
    pieces: list[str] = []
    done = 0
    for start, end in _neighbourhoods(text):
        start, end = max(start - 1, 0), min(end + 1, len(text))
        pieces += text[done:start], _tidied(text[start:end])
        done = end
    pieces.append(text[done:])
    return "".join(pieces).strip()


def _neighbourhoods(text: str) -> Iterator[tuple[int, int]]:
    """Spans of marks and the punctuation beside them; at least one character that stays separates two spans."""
    begin = end = -2
    for mark in _HAS_MARK.finditer(text):
        start, stop = mark.span()
        while start > max(end, 0) and text[start - 1] in _BESIDE:
            start -= 1
        while stop < len(text) and text[stop] in _BESIDE:
            stop += 1
        if start <= end + 1:
            end = stop
            continue
        if end >= 0:
            yield begin, end
        begin, end = start, stop
    yield begin, end


@lru_cache(maxsize=4096)
def _tidied(text: str) -> str:
    # Cached because neighbourhoods repeat: most are the last letter of a sentence, a reference and the next capital.
    if "(" in text or "（" in text:
        text = _EMPTY_BRACKETS.sub(lambda found: _if_marked(found, found[1], "", ""), text)
    if _BRACKET.search(text):
        text = _AFTER_BRACKET.sub(lambda found: _if_marked(found, found[2], found[1], ""), text)
        text = _BEFORE_BRACKET.sub(lambda found: _if_marked(found, found[1], "", found[2]), text)
    if "," in text or ";" in text:
        text = _SEPARATORS.sub(_without_doubled, text)
    if "–" in text:
        text = _DANGLING.sub(r"\1", text)
    return _WITH_SPACES.sub(_with_one_space, _BEFORE_STOP.sub(r"\1\2", text))


def _without_doubled(run: re.Match[str]) -> str:
    """A run of separators in which doubled separators are one. A second match within the run is impossible."""
    found = _DOUBLED.match(run[0])
    return run[0] if found is None else _if_marked(found, found[2], found[1], "") + run[0][found.end() :]


def _if_marked(found: re.Match[str], left_over: str, before: str, after: str) -> str:
    """The losses among left-over characters instead of all of them; characters without a mark stay as they are."""
    if not _HAS_MARK.search(left_over):
        return found[0]
    return f"{before}{''.join(_HAS_MARK.findall(left_over))}{after}"


def _with_one_space(run: re.Match[str]) -> str:
    """Losses with at most one space beside them, and without a space at an edge of the text."""
    losses = "".join(_LOST.findall(run[0]))
    if run.start() == 0 or run.end() == len(run.string) or " " not in run[0]:
        return losses
    return f" {losses}" if run[0][0] == " " and run[0][-1] != " " else f"{losses} "
