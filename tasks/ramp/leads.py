"""Queries with which an agent without the gold could fill in a mask: names that it can see, the likeliest first.

Visible names are those of the masked text, the title if the prompt shows it, values of masks that are found already,
and names in passages that are found already. The likeliest name governs the mask: the antecedent of its relative
clause ("… Karlo Vint, who came from [mask]"), otherwise the first name of its sentence. Then follow the sentence's
other names, the title, names from passages about these, and the names of other sentences, earlier sentences first.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from schemas.records import Evidence, Mask, Question, SpanKind
from tasks.corpus.sentences import sentences
from tasks.corpus.words import Name, content_words, names_in, words_of

_BLANK = "\x00"
_RELATIVE = {
    "en": re.compile(r",? (?:who|whom|whose|which|where)\b"),
    "de": re.compile(r", (?:der|die|das|dem|den|deren|dessen|in der|in dem|wo)\b"),
}
_NEVER = re.compile(r"(?!)")

# The unit of costs is a distance of one sentence between the name and the mask.
_TITLE = 0.5
_AFTER = 0.25
"""Added for a name in a sentence behind the mask."""
_WORDIER = 0.6
"""Added for a query of the name with the words around the mask."""
_FOUND_LATER = 0.8
"""Added for a name in a passage, to the cost of the name that led to the passage."""

_WORDS_AROUND = 4
_NAMES_OF_A_PASSAGE = 4


@dataclass(frozen=True, slots=True)
class Lead:
    """A query about a name, the searches that must precede it, and its cost (0 if the name governs the mask)."""

    query: str
    name: str
    path: tuple[str, ...]
    cost: float

    @property
    def hops(self) -> int:
        return len(self.path) + 1


@dataclass(frozen=True, slots=True)
class Known:
    """A masked value in the form in which a passage has it, and the searches that led to the passage."""

    form: str
    evidence: Evidence


class Context:
    """The paragraph as the agent sees it."""

    def __init__(self, question: Question, title: str | None) -> None:
        assert question.text is not None, "only RAMP questions have a paragraph"
        self._masks = question.masks
        self._title = title
        self._language = question.language
        blanked = question.text
        for mask in question.masks:
            blanked = blanked[: mask.start] + _BLANK * (mask.end - mask.start) + blanked[mask.end :]
        self._text = blanked
        self._names = names_in(blanked, question.language)
        self._sentences = sentences(question.text, question.language) or [(0, len(question.text))]
        self._around = [self._words_around(mask) for mask in question.masks]

    def leads(self, number: int, known: Mapping[int, Known]) -> list[Lead]:
        """Leads to mask ``number`` from the paragraph, given the masks that are known already; cheapest first."""
        offset = self._masks[number].start
        own = self._sentence_of(offset)
        paths: dict[Name, tuple[str, ...]] = dict.fromkeys(self._names, ())
        for n, value in known.items():
            if self._masks[n].kind in (SpanKind.DATE, SpanKind.NUMBER):
                continue
            paths[Name(self._masks[n].start, self._masks[n].end, value.form)] = tuple(value.evidence.queries)
        by_sentence: dict[int, list[Name]] = {}
        for name in sorted(paths):
            by_sentence.setdefault(self._sentence_of(name.start), []).append(name)
        leads = [] if self._title is None else self._about(self._title, (), _TITLE, number)
        for sentence, names in by_sentence.items():
            away = own - sentence if sentence <= own else sentence - own + _AFTER
            for order, name in enumerate(self._by_nearness(names, offset) if sentence == own else names):
                leads += self._about(name.surface, paths[name], away + order / 100, number)
        return _distinct(leads)

    def sentence(self, number: int) -> str:
        """The sentence of a mask, without masked text."""
        start, end = self._sentences[self._sentence_of(self._masks[number].start)]
        return self._text[start:end].replace(_BLANK, " ")

    def _about(self, name: str, path: tuple[str, ...], cost: float, number: int) -> list[Lead]:
        """A query of the name alone and, for the mask's own sentence and the title, of the name with the words around
        the mask."""
        leads = [Lead(name, name, path, cost)]
        named = set(words_of(name))
        around = [word for word in self._around[number] if word.casefold() not in named]
        if cost < 1 and around:
            leads.append(Lead(" ".join([name, *around]), name, path, cost + _WORDIER))
        return leads

    def _words_around(self, mask: Mask) -> list[str]:
        start, end = self._sentences[self._sentence_of(mask.start)]
        before = content_words(self._text[start : mask.start], self._language)[-_WORDS_AROUND:]
        behind = content_words(self._text[mask.end : end], self._language)[:_WORDS_AROUND]
        return list(dict.fromkeys(before + behind))

    def _by_nearness(self, names: list[Name], offset: int) -> list[Name]:
        """The antecedent, the first name, then the names nearest to the mask."""
        antecedent = self._antecedent(offset)
        governing = [name for name in names if name.end == antecedent] + names[:1]
        return list(dict.fromkeys(governing + sorted(names, key=lambda name: abs(name.start - offset))))

    def _antecedent(self, offset: int) -> int | None:
        """The end of the name before the last relative pronoun that precedes the mask in its sentence."""
        start, _ = self._sentences[self._sentence_of(offset)]
        pronouns = list(_RELATIVE.get(self._language, _NEVER).finditer(self._text, start, offset))
        return pronouns[-1].start() if pronouns else None

    def _sentence_of(self, offset: int) -> int:
        return max((n for n, (start, _) in enumerate(self._sentences) if start <= offset), default=0)


def leads_from(lead: Lead, title: str, text: str, language: str) -> list[Lead]:
    """Leads from a passage that the search of ``lead`` found: the first names in it, in order."""
    names = [name.surface for name in names_in(text, language) if name.surface not in (title, lead.name)]
    path, cost = (*lead.path, lead.query), lead.cost + _FOUND_LATER
    found = dict.fromkeys(names)
    return [Lead(name, name, path, cost + order / 100) for order, name in enumerate(found)][:_NAMES_OF_A_PASSAGE]


def _distinct(leads: list[Lead]) -> list[Lead]:
    """Each query once, with its lowest cost; cheapest first."""
    by_query: dict[str, Lead] = {}
    for lead in sorted(leads, key=lambda lead: lead.cost):
        by_query.setdefault(lead.query.casefold(), lead)
    return list(by_query.values())
