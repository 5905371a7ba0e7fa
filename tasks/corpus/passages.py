"""Passages: the prose paragraphs of a page; long paragraphs are cut at sentence ends."""

import re
from bisect import bisect_left
from collections.abc import Iterator

from schemas.corpus_settings import PassageSettings
from schemas.records import Link, Lost, Page, Passage
from schemas.snapshot import language_of
from tasks.corpus.sentences import sentences
from tasks.wikitext.blocks import HEADING

_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
# A Chinese or Japanese character is a word. Otherwise a word is a run without spaces that has a letter or a digit.
_WORD = re.compile(rf"[{_CJK}]|[^\s{_CJK}]*[^\W{_CJK}][^\s{_CJK}]*")
_BLOCK = re.compile(r"[^\n]+(?:\n[^\n]+)*")
_PROSE_END = re.compile(r"[.!?…。！？][\"'”’»)\]」』）]*$")
_LONG = 20
"""Fewest words of a paragraph that counts as prose without a full stop at its end: it introduces a list, or quotes."""


def n_words(text: str) -> int:
    """The number of words between spaces; each Chinese or Japanese character is a word."""
    return len(_WORD.findall(text))


def passages_of(page: Page, settings: PassageSettings) -> Iterator[Passage]:
    """The page's passages in order, each with the heading above it. List items and headings are not passages."""
    language = language_of(page.snapshot)
    links = _Links(page)
    section, ordinal = "", 0
    for block in _BLOCK.finditer(page.text):
        heading = HEADING.match(block[0])
        if heading:
            section = heading[2]
        elif _is_prose(block[0]):
            for start, end in _cut(page.text, block.start(), block.end(), settings.max_words, language):
                text = page.text[start:end]
                yield Passage(
                    snapshot=page.snapshot,
                    passage_id=f"{page.page_id}-{ordinal}",
                    page_id=page.page_id,
                    revision_id=page.revision_id,
                    title=page.title,
                    section=section,
                    text=text,
                    links=links.within(start, end),
                    lost=_lost_within(page, start, end),
                    n_words=n_words(text),
                )
                ordinal += 1


class _Links:
    """A page's links, found by offset."""

    def __init__(self, page: Page) -> None:
        self._links = page.links
        self._starts = [link.start for link in page.links]

    def within(self, start: int, end: int) -> list[Link]:
        """The links within ``start`` to ``end``, with offsets from ``start``."""
        found = self._links[bisect_left(self._starts, start) : bisect_left(self._starts, end)]
        return [
            Link(start=link.start - start, end=link.end - start, target=link.target, anchor=link.anchor)
            for link in found
            if link.end <= end
        ]


def _lost_within(page: Page, start: int, end: int) -> list[Lost]:
    return [Lost(start=mark.start - start, reason=mark.reason) for mark in page.lost if start <= mark.start <= end]


def _is_prose(block: str) -> bool:
    if block.startswith(("* ", ": ")):
        return False
    return bool(_PROSE_END.search(block)) or n_words(block) >= _LONG


def _cut(text: str, start: int, end: int, max_words: int, language: str) -> Iterator[tuple[int, int]]:
    """Spans of whole sentences, evenly long, of at most ``max_words``; a longer sentence is cut between words."""
    total = n_words(text[start:end])
    if total <= max_words:
        yield start, end
        return
    share = total / -(-total // max_words)
    begun, held, last_end = start, 0, start
    for first, last in _pieces(text, start, end, max_words, language):
        words = n_words(text[first:last])
        if held and (held + words > max_words or held + words / 2 > share):
            yield begun, last_end
            begun, held = first, 0
        held, last_end = held + words, last
    yield begun, last_end


def _pieces(text: str, start: int, end: int, max_words: int, language: str) -> Iterator[tuple[int, int]]:
    """The sentences within ``start`` to ``end``; a sentence that is too long is cut into pieces of whole words."""
    for first, last in sentences(text[start:end], language):
        sentence = text[start + first : start + last]
        begun = 0
        for word in list(_WORD.finditer(sentence))[max_words:-1:max_words]:
            yield start + first + begun, start + first + len(sentence[: word.start()].rstrip())
            begun = word.start()
        yield start + first + begun, start + last
