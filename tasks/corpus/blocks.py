"""Lines of wikitext → blocks of text: paragraphs, headings, list items; and the tidying of what removal left behind.

Text here may hold marks (marks.py); they are no part of what a reader sees.
"""

import re

from tasks.corpus.marks import LOST, MARK

HEADING = re.compile(r"^(={1,6})[ \t]*(.+?)[ \t]*\1[ \t]*$")
_ITEM = re.compile(r"[*#:;]+[ \t]*")
_ONLY_MARKS = re.compile(rf"(?:{MARK}|[\s.,;:*#·•|–—-])*")
_HAS_LOST = re.compile(LOST)
_ODD_SPACES = r"\t\xa0\u2000-\u200a\u202f\u205f\u3000"
_SPACES = re.compile(rf"[{_ODD_SPACES}][ {_ODD_SPACES}]*+| [ {_ODD_SPACES}]++")
_INVISIBLE = re.compile(r"[\u200b\u200e\u200f\u202a-\u202e\u2060\ufeff\xad\u2066-\u2069]")
_SEEN = re.compile(r"[^\W_]")

# A separator or a space beside a bracket, with marks between them, is what something removed left there.
_AFTER_BRACKET = re.compile(rf"([(\[（])((?:{LOST}|[ ,;:/–]|,;)+)")
_BEFORE_BRACKET = re.compile(rf"(?<![ ,;:/–])((?:[ ,;:/–]|{LOST})+)([)\]）])")
_EMPTY_BRACKETS = re.compile(rf" ?[(（]((?:{LOST}|[ ,;:/–])*)[)）]")
_DOUBLED = re.compile(rf"([,;])((?:{LOST}| )*)(?:[,;]((?:{LOST}| )*))+(?= )")
_BEFORE_STOP = re.compile(rf"(?<![.,]) +((?:{LOST})*)([.,](?: (?![.,])|$))")
_SPACED_MARK = re.compile(rf" ((?:{LOST})+) +")
_MARKS = re.compile(LOST)


def assemble(text: str) -> str:
    """Blocks with a blank line between them. Headings without text below them go."""
    blocks: list[str] = []
    paragraph: list[str] = []
    items: list[str] = []

    def close() -> None:
        for lines, joint in ((paragraph, " "), (items, "\n")):
            if lines:
                blocks.append(joint.join(lines))
                lines.clear()

    for line in _SPACES.sub(" ", _INVISIBLE.sub("", text)).split("\n"):
        line = line.strip()
        if not line or _ONLY_MARKS.fullmatch(line):
            close()
        elif line[0] == "=" and (heading := HEADING.match(line)):
            close()
            blocks.append(f"{heading[1]} {_MARKS.sub('', tidy(heading[2]))} {heading[1]}")
        elif line[0] in "*#:;":
            if paragraph:
                close()
            if item := tidy(line[_ITEM.match(line).end() :]):  # type: ignore[union-attr]
                items.append(f"{'* ' if line[0] in '*#' else ': '}{item}")
        else:
            if items:
                close()
            paragraph.append(line)
    close()
    return "\n\n".join(_with_text([tidy(block) if block[0] not in "=*:" else block for block in blocks]))


def tidy(text: str) -> str:
    """Text without the empty brackets, doubled separators and spaces that removed things left behind."""
    text = _SPACES.sub(" ", text)
    if "(" in text or "（" in text or "[" in text:
        text = _EMPTY_BRACKETS.sub(lambda found: _only_marks(found[1]), text)
        text = _AFTER_BRACKET.sub(lambda found: found[1] + _only_marks(found[2]), text)
        text = _BEFORE_BRACKET.sub(lambda found: _only_marks(found[1]) + found[2], text)
    text = _DOUBLED.sub(lambda found: found[1] + _only_marks(found[0]), text)
    if " ." in text or " ," in text or "\x03" in text:
        text = _SPACED_MARK.sub(r"\1 ", _BEFORE_STOP.sub(r"\1\2", text))
    return _SPACES.sub(" ", text).strip()


def _only_marks(text: str) -> str:
    return "".join(_MARKS.findall(text))


def _with_text(blocks: list[str]) -> list[str]:
    """Without empty blocks and without headings that no text follows before one of the same or a higher level."""
    kept: list[str] = []
    for block in blocks:
        if not _SEEN.search(re.sub(MARK, "", block)):
            continue
        level = _level(block)
        while level and kept and _level(kept[-1]) >= level:
            kept.pop()
        kept.append(block)
    while kept and _level(kept[-1]):
        kept.pop()
    return kept


def _level(block: str) -> int:
    found = HEADING.match(block)
    return len(found[1]) if found and "\n" not in block else 0
