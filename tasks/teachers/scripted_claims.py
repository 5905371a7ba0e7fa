"""The scripted teacher on claims with a decomposition: it finds what each step says, and compares the claim with it.

It searches as on questions (`scripted_steps`), but for one name at a time. The last step states what is claimed; the
last thought repeats it and notes the value that the page states. The claim is supported if it has that value, and
refuted if not. The gold label is never read, so a claim that cannot be decided like this is answered wrongly and left
to the judge. Without steps there is nothing that a script could compare: the trajectory ends stuck.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from schemas.records import ClaimLabel, Step
from tasks.agent.protocol import neutralise
from tasks.agent.scoring import holds
from tasks.teachers.scripted_attempt import Act
from tasks.teachers.scripted_steps import StepsAttempt


@dataclass
class ClaimAttempt(StepsAttempt):
    def act(self) -> Act:
        return super().act() if self.question.steps else Act()

    def asked_for(self) -> Iterator[str]:
        yield from (step.answer for step in self.question.steps)

    def _noted(self, step: Step, value: str, *, is_said: bool) -> str:
        return super()._noted(step, value, is_said=is_said or step is self.question.steps[-1])

    def _names_asked(self, names: list[str]) -> list[str]:
        """One by one, the subject first: a wrong value beside it would lead away from its page."""
        return names

    def _final(self) -> str:
        has_value = holds(neutralise(self.question.prompt), self.values[-1])
        return ClaimLabel.SUPPORTED if has_value else ClaimLabel.REFUTED
