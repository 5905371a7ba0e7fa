"""The scripted teacher on questions without a decomposition: it looks for the passages that the set names as support.

It searches with the question. While a supporting passage has not been shown and its title stands in what was, it
searches for the title. Then it answers, if a supporting passage that was shown holds the answer. An answer that the
question itself names, or a yes or no, needs all supporting passages. A thought quotes the sentences that lead on.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from retrieval_index.hits import Hit
from schemas.records import Support
from tasks.agent.protocol import neutralise
from tasks.agent.scoring import accepted_surfaces, holds, is_decision
from tasks.corpus.sentences import sentences
from tasks.corpus.words import bare_title, names_in
from tasks.teachers.scripted_attempt import Act, ScriptedAttempt, text_of

QUOTED_WORDS = 60
"""Words at most of a sentence that a thought quotes."""


@dataclass
class SupportAttempt(ScriptedAttempt):
    seen: int = 0
    """Passages that thoughts have dealt with."""

    vocabulary = frozenset({"yes", "no", "supported", "refuted"})

    def act(self) -> Act:
        query = self._unasked()
        answer = self._held_answer() if query is None else None
        self.thought = self._thought(query or answer)
        self.seen = len(self.hits)
        return Act(query, answer)

    def asked_for(self) -> Iterator[str]:
        yield from () if self._is_decision else self._accepted

    @property
    def _accepted(self) -> list[str]:
        return accepted_surfaces(self.question)[0]

    @property
    def _is_decision(self) -> bool:
        return is_decision(self._accepted)

    def _missing(self) -> list[Support]:
        return [support for support in self.question.support if not self.hits_titled(support.title)]

    def _unasked(self) -> str | None:
        """The question itself, then the titles of missing passages that were shown."""
        if not self.searches:
            return neutralise(self.question.prompt)
        titles = [support.title for support in self._missing()]
        return self.unsearched(
            self.shown.spelling_of(title) or self.shown.spelling_of(bare_title(title)) for title in titles
        )

    def _held_answer(self) -> str | None:
        """The answer in a form that was shown; None where it was not, or where the question alone shows it."""
        needs_all = self._is_decision or any(holds(self.question.prompt, name) for name in self._accepted)
        if needs_all and self._missing():
            return None
        if self._is_decision:
            return self._accepted[0] if self.question.support else None
        texts = [text_of(hit) for hit in self._supporting()]
        return next((neutralise(name) for name in self._accepted if any(holds(text, name) for text in texts)), None)

    def _supporting(self) -> list[Hit]:
        """The supporting passages that were shown; all passages, where the set names none."""
        titles = {support.title.casefold() for support in self.question.support}
        return [hit for hit in self.hits if not titles or hit.title.casefold() in titles]

    def _thought(self, goal: str | None) -> str:
        """What the question is about; later the sentences of new supporting passages that name what comes next."""
        if not self.searches:
            prompt = neutralise(self.question.prompt)
            return ", ".join(name.surface for name in names_in(prompt, self.question.language)) or prompt
        new = {hit.passage_id for hit in self.hits[self.seen :]}
        quoted = [_quoted(hit, goal, self.question.language) for hit in self._supporting() if hit.passage_id in new]
        return " ".join(dict.fromkeys(quoted)) or (goal or "")


def _quoted(hit: Hit, goal: str | None, language: str) -> str:
    """The title of a passage, and its sentence that names the goal, if it has one that is not too long."""
    text = neutralise(" ".join(hit.text.split()))
    for start, end in sentences(text, language) if goal else []:
        sentence = text[start:end]
        if goal and holds(sentence, goal) and len(sentence.split()) <= QUOTED_WORDS:
            return f"{neutralise(hit.title)}: {sentence}"
    return f"{neutralise(hit.title)}."
