"""Trajectories and masked paragraphs as pieces that the terminal and the report can show."""

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

from schemas.records import Author, Segment
from tasks.agent.protocol import MASK, TAG_NAMES

Kind = Literal["prompt", "think", "search", "information", "answer", "stray"]

# A body without its closing tag extends to the end of the text: a turn may be cut off by its token limit.
_TAGGED = re.compile(rf"<(?P<tag>{'|'.join(TAG_NAMES)})>(?P<body>.*?)(?:</(?P=tag)>|\Z)", re.DOTALL)


class Speech(NamedTuple):
    """One element of a conversation: a prompt, thought, search, result or answer; ``stray`` is text outside of tags."""

    author: Author
    kind: Kind
    text: str


def conversation(segments: Sequence[Segment]) -> list[Speech]:
    """All elements in order. Malformed text is kept as well."""
    speeches = []
    for segment in segments:
        author = Author(segment.author)
        if author == Author.PROMPT:
            speeches.append(Speech(author, "prompt", segment.text.strip()))
        else:
            speeches += _tagged(author, segment.text)
    return speeches


def _tagged(author: Author, text: str) -> list[Speech]:
    speeches, done = [], 0
    for found in _TAGGED.finditer(text):
        speeches.append(Speech(author, "stray", text[done : found.start()].strip()))
        speeches.append(Speech(author, found["tag"], found["body"].strip()))  # type: ignore[arg-type]
        done = found.end()
    speeches.append(Speech(author, "stray", text[done:].strip()))
    return [speech for speech in speeches if speech.text or speech.kind != "stray"]


class Piece(NamedTuple):
    """A piece of a paragraph: the text of mask number ``mask`` (from 0), or text between masks (None)."""

    text: str
    mask: int | None


def pieces(masked_text: str, fillings: Sequence[str | None] = ()) -> list[Piece]:
    """The paragraph in pieces, its masks filled in; a mask without a filling remains ``[mask]``."""
    found: list[Piece] = []
    for number, between in enumerate(masked_text.split(MASK)):
        if number:
            filling = fillings[number - 1] if number <= len(fillings) else None
            found.append(Piece(filling or MASK, number - 1))
        if between:
            found.append(Piece(between, None))
    return found
