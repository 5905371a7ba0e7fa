"""Lines of wikitext → blocks of text: paragraphs, headings, list items.

The text may contain marks (marks.py), which a reader does not see.
"""

import re

from tasks.templates.marks import LOST, LOST_OPEN, MARK
from tasks.wikitext.tidying import tidy

HEADING = re.compile(r"^(={1,6})[ \t]*(.+?)[ \t]*\1[ \t]*$")
_ITEM = re.compile(r"[*#:;]+[ \t]*")
# A line on which only punctuation is left beside marks showed nothing but what was removed: "({{cn}})", "* {{x}}".
_ONLY_MARKS = re.compile(rf"(?:{MARK}|[\s.,;:*#·•|–—-])*")
_ODD_SPACE = re.compile(r"[\xa0\u2000-\u200a\u202f\u205f\u3000]")
_SPACES = re.compile(r"  +")
# Zero-width spaces, marks of direction and soft hyphens: they would make equal words unequal.
_INVISIBLE = re.compile(r"[\u200b\u200e\u200f\u202a-\u202e\u2060\ufeff\xad\u2066-\u2069]")
_LOST = re.compile(LOST)
_LOST_TEMPLATE = re.compile(rf"{LOST_OPEN}template:[^\x03]*\x03")
_MARKS = re.compile(MARK)
# Quotation marks and brackets may close behind the full stop.
_ENDED = re.compile(r"[.!?…。！？][\"'”’»)\]」』）]*\s*$")
_HAS_TEXT = re.compile(rf"(?:{MARK}|[\W_])*+[^\W_]")


def assemble(text: str) -> str:
    """Blocks with a blank line between them. Headings without text below them are dropped.

    A loss alone on its line belongs to the sentence of the line before it, unless that line ends the sentence. Then
    the paragraphs beside it have lost nothing: the mark of a template is put on the blank line between the two blocks
    (or at the start or end of the page), and a displayed formula or block of code leaves no mark.
    """
    blocks: list[str] = []
    paragraph: list[str] = []
    items: list[str] = []

    def close() -> None:
        if paragraph:
            blocks.append(tidy(" ".join(paragraph)))
        elif items:
            blocks.append("\n".join(items))
        paragraph.clear()
        items.clear()

    for line in text.replace("\t", " ").split("\n"):
        if not line.isascii():
            line = _ODD_SPACE.sub(" ", _INVISIBLE.sub("", line))
        line = (_SPACES.sub(" ", line) if "  " in line else line).strip()
        if not line:
            close()
        elif not line[0].isalnum() and _ONLY_MARKS.fullmatch(line):
            losses = "".join(_LOST.findall(line))
            if losses and paragraph and not _ENDED.search(_MARKS.sub("", paragraph[-1])):
                paragraph.append(losses)
            else:
                close()
                if templates := "".join(_LOST_TEMPLATE.findall(losses)):
                    blocks.append(templates)
        elif line[0] == "=" and (heading := HEADING.match(line)):
            close()
            blocks.append(f"{heading[1]} {_LOST.sub('', tidy(heading[2]))} {heading[1]}")
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
    return _joined(_with_text(blocks))


def _joined(blocks: list[str]) -> str:
    """Blocks of text with a blank line between them, which holds the marks that belong to neither block."""
    pieces: list[str] = []
    apart = ""
    for block in blocks:
        if _is_apart(block):
            apart += block
        else:
            pieces += f"\n{apart}\n" if pieces else apart, block
            apart = ""
    return "".join([*pieces, apart])


def _with_text(blocks: list[str]) -> list[str]:
    """The blocks without empty blocks, and without headings that have no text before the next of their level or above.

    Separate marks are kept, and do not count as text below a heading.
    """
    kept: list[str] = []
    bare: list[tuple[int, list[str]]] = []  # headings without text so far: the level, the block and the marks below it
    for block in blocks:
        if block[:1].isalnum() or _HAS_TEXT.match(block):
            level = _level(block)
            while level and bare and bare[-1][0] >= level:
                marks = bare.pop()[1][1:]
                (bare[-1][1] if bare else kept).extend(marks)
            if level:
                bare.append((level, [block]))
                continue
            for _, waiting in bare:
                kept += waiting
            bare.clear()
            kept.append(block)
        elif losses := "".join(_LOST_TEMPLATE.findall(block)):
            (bare[-1][1] if bare else kept).append(losses)
    for _, waiting in bare:
        kept += waiting[1:]
    return kept


def _is_apart(block: str) -> bool:
    return block[0] == LOST_OPEN and not _LOST.sub("", block)


def _level(block: str) -> int:
    if block[:1] != "=":
        return 0
    found = HEADING.match(block)
    return len(found[1]) if found and "\n" not in block else 0
