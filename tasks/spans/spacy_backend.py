"""Spans named by a spaCy pipeline of the user's choice. spaCy is no dependency of this project: it is imported here."""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

from schemas.errors import BadInput
from schemas.records import Passage, Proposals, SpanKind
from tasks.spans.backends import SpanBackend
from tasks.spans.proposals import Named, proposals_of

_KINDS = {
    **dict.fromkeys(("DATE", "TIME"), SpanKind.DATE),
    **dict.fromkeys(("PERCENT", "MONEY", "QUANTITY", "CARDINAL"), SpanKind.NUMBER),
}
"""By the label of an entity; all other labels are of names."""
_IGNORED = frozenset({"ORDINAL"})


class SpacyBackend(SpanBackend):
    """The backend `spacy`."""

    def named(self, passage: Passage) -> Iterator[Named]:
        return _named(pipeline_of(self.settings.model)(passage.text).ents)

    def proposals(self, passages: Iterable[Passage]) -> Iterator[Proposals]:
        """The pipeline reads many passages at once."""
        texts = ((passage.text, passage) for passage in passages)
        for document, passage in pipeline_of(self.settings.model).pipe(texts, as_tuples=True):
            yield proposals_of(passage, _named(document.ents))


@cache
def pipeline_of(name: str) -> Any:
    """One pipeline a process.

    Raises:
        BadInput: spaCy or the pipeline is not installed.
    """
    try:
        import spacy
    except ImportError:
        raise BadInput("ramp.spans.kind spacy: spaCy is not installed; pip install spacy, or use links") from None
    try:
        return spacy.load(name)
    except OSError:
        raise BadInput(f"ramp.spans.model {name}: spaCy knows no such pipeline: install it or name a folder") from None


def _named(entities: Iterable[Any]) -> Iterator[Named]:
    for entity in entities:
        if entity.label_ not in _IGNORED:
            yield Named(entity.text, _KINDS.get(entity.label_, SpanKind.ENTITY))
