"""What a teacher that knows the gold may say.

A turn may use only words of the prompt, words that were retrieved, and a fixed vocabulary; and it may not name what is
asked for (an answer, a masked surface, a target, an alias) before the prompt or an information block showed it.
"""

import re
from collections.abc import Iterable, Set
from dataclasses import dataclass, field

from tasks.agent.scoring import holds

_WORD = re.compile(r"\w+")


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.casefold()))


@dataclass
class Shown:
    """What the agent has seen so far: the prompt and information blocks."""

    text: str = ""
    words: set[str] = field(default_factory=set)

    def add(self, text: str) -> None:
        self.text += f"\n{text}"
        self.words |= _words(text)

    def spelling_of(self, name: str) -> str | None:
        """A name as it was first shown, whatever marks are between its words; None if it was not shown."""
        between = r"\W+".join(map(re.escape, _WORD.findall(name)))
        found = re.search(rf"(?<!\w){between}(?!\w)", self.text, re.IGNORECASE) if between else None
        return " ".join(found[0].split()) if found else None

    def sayable(self, text: str, vocabulary: Set[str]) -> str:
        """What is left of a text without the words that were not shown and are not in the vocabulary."""
        known = self.words | vocabulary
        return " ".join(part for part in text.split() if (words := _words(part)) and words <= known)


def leak_in(turn: str, shown: Shown, asked: Iterable[str], vocabulary: Set[str]) -> str | None:
    """What a turn's text may not say yet: a word from nowhere, or a name that is asked for and not shown; or None."""
    strange = _words(turn) - shown.words - vocabulary
    if strange:
        return min(strange)
    return next((name for name in asked if holds(turn, name) and not holds(shown.text, name)), None)
