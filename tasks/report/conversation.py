"""A trajectory and a masked paragraph, taken apart for people to read: on the terminal and in the report."""

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

from schemas.records import Author, Segment
from tasks.agent.protocol import MASK, TAG_NAMES

Kind = Literal["prompt", "think", "search", "information", "answer", "stray"]

_TAGGED = re.compile(rf"<(?P<tag>{'|'.join(TAG_NAMES)})>(?P<body>.*?)(?:</(?P=tag)>|\Z)", re.DOTALL)


class Speech(NamedTuple):
    """Something that was said: a thought, a search, an answer, what the environment showed; ``stray`` has no tags."""

    author: Author
    kind: Kind
    text: str


def conversation(segments: Sequence[Segment]) -> list[Speech]:
    """All that was said, in order. Nothing is left out, be it ever so malformed."""
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
    """A run of a paragraph; ``mask`` is the number of the mask (from 0) that it stands at, or None."""

    text: str
    mask: int | None


def pieces(masked_text: str, fillings: Sequence[str | None] = ()) -> list[Piece]:
    """The paragraph with its masks filled in; a mask without a filling stays ``[mask]``."""
    found: list[Piece] = []
    for number, between in enumerate(masked_text.split(MASK)):
        if number:
            filling = fillings[number - 1] if number <= len(fillings) else None
            found.append(Piece(filling or MASK, number - 1))
        if between:
            found.append(Piece(between, None))
    return found
