"""The scripted teacher on RAMP questions: it follows the evidence of the masks.

It fills the paragraph in from left to right. A thought goes on with the text from the last mask to the next one; where
what was retrieved holds the next value, the thought writes it and goes on; where not, it stops there and searches for
the name that the evidence leads to. The answer is the paragraph with all values in place.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from schemas.records import Mask
from tasks.agent.protocol import neutralise
from tasks.agent.scoring import holds
from tasks.teachers.scripted_attempt import Act, ScriptedAttempt

CUE_WORDS = 60
"""Words at most that a thought repeats from before a mask."""
BRIDGE = "see"


@dataclass
class RampAttempt(ScriptedAttempt):
    values: list[str] = field(default_factory=list)

    vocabulary = frozenset({BRIDGE})

    def act(self) -> Act:
        self._fill()
        if len(self.values) == len(self.question.masks):
            return Act(answer=self._filled())
        return Act(query=self._unasked())

    def asked_for(self) -> Iterator[str]:
        for mask in self.question.masks:
            yield from (mask.surface, *([mask.target] if mask.target else []), *mask.aliases)

    def _fill(self) -> None:
        """Go on with the text, over every mask whose value what was retrieved holds."""
        masks = self.question.masks
        if not self.searches:
            self.thought = self._cue(0)
        while len(self.values) < len(masks):
            value = self._value_of(masks[len(self.values)])
            if value is None:
                return
            self.values.append(value)
            self.thought += value + (self._cue(len(self.values)) if len(self.values) < len(masks) else "")

    def _cue(self, number: int) -> str:
        """The prompt's text before a mask, from the mask before it on; the last `CUE_WORDS` words of that."""
        gap = self._gaps()[number]
        words = gap.split(" ")
        return gap if len(words) <= CUE_WORDS else " ".join(words[-CUE_WORDS:])

    def _gaps(self) -> list[str]:
        assert self.question.text is not None, "masks stand in a text"
        edges = [0, *(edge for mask in self.question.masks for edge in (mask.start, mask.end)), None]
        return [neutralise(self.question.text[a:b]) for a, b in zip(edges[::2], edges[1::2], strict=True)]

    def _filled(self) -> str:
        gaps = self._gaps()
        return gaps[0] + "".join(value + gap for value, gap in zip(self.values, gaps[1:], strict=True))

    def _value_of(self, mask: Mask) -> str | None:
        """The masked value in the form in which the passage of its evidence holds it, once that was retrieved."""
        for hit in self.hits:
            if mask.evidence is not None and hit.passage_id == mask.evidence.passage_id:
                text = f"{hit.title}: {hit.text}"
                return next((name for name in (mask.surface, *mask.aliases) if holds(text, name)), None)
        return None

    def _unasked(self) -> str | None:
        """The first of the searches to the next mask's evidence that has not been made yet."""
        evidence = self.question.masks[len(self.values)].evidence
        unasked = self.unsearched(evidence.queries) if evidence else None
        if unasked and evidence and unasked != evidence.queries[0] and not self.thought:
            self.thought = f"{BRIDGE} {unasked}"
        return unasked
