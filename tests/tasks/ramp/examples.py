"""Passages and questions for the tests of RAMP, written as wikitext would be: ``[[target|anchor]]``."""

import re

from schemas.records import Link, Lost, Passage


def passage_of(wikitext: str, title: str = "Elsewhere", page_id: int = 7, ordinal: int = 0) -> Passage:
    """A passage from plain text with links; ``{{?}}`` is where something was lost."""
    text, links, lost, last = "", [], [], 0
    for found in re.finditer(r"\[\[([^\]|]+)(?:\|([^\]]+))?\]\]|\{\{\?\}\}", wikitext):
        text += wikitext[last : found.start()]
        last = found.end()
        if found[1] is None:
            lost.append(Lost(start=len(text), reason="template"))
        else:
            anchor = found[2] or found[1]
            links.append(Link(start=len(text), end=len(text) + len(anchor), target=found[1], anchor=anchor))
            text += anchor
    text += wikitext[last:]
    return Passage(
        snapshot="testwiki-20260101",
        passage_id=f"{page_id}-{ordinal}",
        page_id=page_id,
        revision_id=70,
        title=title,
        section="",
        text=text,
        links=links,
        lost=lost,
        n_words=len(text.split()),
    )
