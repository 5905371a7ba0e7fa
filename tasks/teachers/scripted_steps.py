"""The scripted teacher on questions with a decomposition: it takes the steps one after the other.

A thought says the step, with the answers of earlier steps in place of their numbers, as far as words for it were shown.
The search is the title of the page that the step is about, if what was shown names it; then the names in the step, the
step itself, and the whole question. Where a passage of that page was shown and holds the step's answer, the next
thought writes it and goes on with the next step.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from retrieval_index.hits import Hit
from schemas.records import Step
from tasks.agent.protocol import neutralise
from tasks.agent.scoring import holds
from tasks.corpus.words import FUNCTION_WORDS, bare_title, names_in
from tasks.teachers.scripted_attempt import Act, ScriptedAttempt, text_of

_REFERENCE = re.compile(r"#(\d+)")


@dataclass
class StepsAttempt(ScriptedAttempt):
    values: list[str] = field(default_factory=list)
    begun: int = 0
    """Steps that a thought has said."""

    vocabulary = FUNCTION_WORDS["en"]

    def act(self) -> Act:
        steps = self.question.steps
        said: list[str] = []
        while len(self.values) < len(steps):
            step = steps[len(self.values)]
            if self.begun == len(self.values):
                said.append(self._told(step))
                self.begun += 1
            value = self._value_of(step)
            if value is None:
                self.thought = ". ".join(said or [self._told(step)])
                return Act(query=self._unasked(step))
            is_said = bool(said) and said[-1] == self._told(step)
            said = said[:-1] if is_said else said
            said.append(self._noted(step, value, is_said=is_said))
            self.values.append(value)
        self.thought = ". ".join(said)
        return Act(answer=self._final())

    def _noted(self, step: Step, value: str, *, is_said: bool) -> str:
        """How a thought notes a step's value: after the step, where the same thought says it (``is_said``)."""
        return f"{self._told(step)}: {value}" if is_said else value

    def asked_for(self) -> Iterator[str]:
        yield from (step.answer for step in self.question.steps)
        for gold, aliases in zip(self.question.gold, self.question.aliases, strict=True):
            yield from (gold, *aliases)

    def _told(self, step: Step) -> str:
        """A step's question as far as it can be said, with the answers that it refers to."""

        def answer_to(reference: re.Match[str]) -> str:
            number = int(reference[1])
            return self.values[number - 1] if 0 < number <= len(self.values) else ""

        return self.shown.sayable(neutralise(_REFERENCE.sub(answer_to, step.question)), self.vocabulary).rstrip("?")

    def _value_of(self, step: Step) -> str | None:
        return neutralise(step.answer) if self._holding(step, [step.answer]) else None

    def _holding(self, step: Step, names: list[str]) -> tuple[Hit, str] | None:
        """A passage of the step's page (of any page, where the set names none) that was shown, and what it holds."""
        title = self._title_of(step)
        hits = self.hits if title is None else self.hits_titled(title)
        return next(((hit, name) for hit in hits for name in names if holds(text_of(hit), name)), None)

    def _title_of(self, step: Step) -> str | None:
        return None if step.support is None else self.question.support[step.support].title

    def _unasked(self, step: Step) -> str | None:
        title = self._title_of(step)
        named, bare = (self.shown.spelling_of(name) for name in (title or "", bare_title(title or "")))
        told = self._told(step)
        names = self._names_asked([name.surface for name in names_in(told, self.question.language)])
        return self.unsearched([named, *names, told, bare, neutralise(self.question.prompt)])

    def _names_asked(self, names: list[str]) -> list[str]:
        """The queries for the names in a step."""
        return [" ".join(names)]

    def _final(self) -> str | None:
        """The answer in a form that the last step's page holds; None where it was not shown."""
        names = [
            name
            for gold, aliases in zip(self.question.gold, self.question.aliases, strict=True)
            for name in (gold, *aliases)
        ]
        held = self._holding(self.question.steps[-1], names)
        return neutralise(held[1]) if held else None
