"""What names the spans of paragraphs, by kind: part by part in the flow's own processes, or in a job.

A backend names spans as they are written. They are located, or refused, by `tasks.spans.proposals`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from schemas.corpus_settings import SPANS, SpanSettings
from schemas.records import Passage, Proposals
from tasks.spans.proposals import Named, proposals_of


class SpanBackend(ABC):
    """Built once for a part of passages."""

    def __init__(self, settings: Any, language: str) -> None:
        self.settings, self.language = settings, language

    def look_at(self, passages: Iterable[Passage]) -> None:  # noqa: B027  # most backends need not look
        """Called first, with all passages of the part; `proposals` gets those that may become questions."""

    @abstractmethod
    def named(self, passage: Passage) -> Iterable[Named]:
        """The spans of a paragraph that may be masked, as they are written in it."""

    def proposals(self, passages: Iterable[Passage]) -> Iterator[Proposals]:
        """Of passages, in their order. A backend that is faster with many at once overrides it."""
        for passage in passages:
            yield proposals_of(passage, self.named(passage))


def _spacy(settings: Any, language: str) -> SpanBackend:
    from tasks.spans.spacy_backend import SpacyBackend

    return SpacyBackend(settings, language)


def _capitalised(settings: Any, language: str) -> SpanBackend:
    from tasks.spans.capitalised import CapitalisedBackend

    return CapitalisedBackend(settings, language)


_BACKENDS: dict[str, Callable[[Any, str], SpanBackend]] = {"spacy": _spacy, "capitalised": _capitalised}

_JOBS = {"llm": "tasks.ramp.name_spans"}
"""The programs of the kinds that work in a job (`schemas.jobs.SpanJob`)."""


def job_of(settings: SpanSettings) -> str | None:
    """The program of the job that names these spans; None where a backend does."""
    return _JOBS.get(settings.kind)


def span_backend_of(settings: SpanSettings, language: str) -> SpanBackend:
    """The backend of these settings for passages of that language.

    Raises:
        BadKind: the package that has it cannot be used.
    """
    return (_BACKENDS.get(settings.kind) or SPANS.extension(settings.kind, SpanBackend))(settings, language)
