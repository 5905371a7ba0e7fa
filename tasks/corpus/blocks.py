"""Lines of wikitext → blocks of text: paragraphs, headings, list items.

Text here may hold marks (marks.py); they are no part of what a reader sees.
"""

import re

from tasks.corpus.marks import LOST, MARK
from tasks.corpus.tidying import tidy

HEADING = re.compile(r"^(={1,6})[ \t]*(.+?)[ \t]*\1[ \t]*$")
_ITEM = re.compile(r"[*#:;]+[ \t]*")
_ONLY_MARKS = re.compile(rf"(?:{MARK}|[\s.,;:*#·•|–—-])*")
_ODD_SPACE = re.compile(r"[\t\xa0\u2000-\u200a\u202f\u205f\u3000]")
_SPACES = re.compile(r"  +")
_INVISIBLE = re.compile(r"[\u200b\u200e\u200f\u202a-\u202e\u2060\ufeff\xad\u2066-\u2069]")
_LOST = re.compile(LOST)
_MARKS = re.compile(MARK)
_SEEN = re.compile(r"[^\W_]")


def assemble(text: str) -> str:
    """Blocks with a blank line between them. Headings without text below them go."""
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

    for line in _SPACES.sub(" ", _ODD_SPACE.sub(" ", _INVISIBLE.sub("", text))).split("\n"):
        line = line.strip()
        if not line or _ONLY_MARKS.fullmatch(line):
            close()
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
    return "\n\n".join(_with_text(blocks))


def _with_text(blocks: list[str]) -> list[str]:
    """Without empty blocks and without headings that no text follows before one of the same or a higher level."""
    kept: list[str] = []
    for block in blocks:
        if not block[:1].isalnum() and not _SEEN.search(_MARKS.sub("", block)):
            continue
        level = _level(block)
        while level and kept and _level(kept[-1]) >= level:
            kept.pop()
        kept.append(block)
    while kept and _level(kept[-1]):
        kept.pop()
    return kept


def _level(block: str) -> int:
    if block[:1] != "=":
        return 0
    found = HEADING.match(block)
    return len(found[1]) if found and "\n" not in block else 0
