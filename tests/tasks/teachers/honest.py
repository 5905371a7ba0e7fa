"""A check of the rule of honesty that does not use the teacher's own."""

import re
from collections.abc import Set

from schemas.records import Author, Question, Trajectory
from tasks.agent.protocol import parse_turn
from tasks.agent.scoring import holds


def words_in(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.casefold()))


def assert_honest(question: Question, trajectory: Trajectory, vocabulary: Set[str]) -> None:
    """Each turn is well formed, and says only what was shown before it, and no answer before it was shown."""
    decided = question.gold[0] in ("yes", "no")
    accepted = [] if decided else [*question.gold, *(alias for aliases in question.aliases for alias in aliases)]
    answers = {*accepted, *(step.answer for step in question.steps)}
    shown = ""
    for segment in trajectory.segments:
        if segment.author != Author.MODEL:
            shown += f"\n{segment.text}"
            continue
        turn = parse_turn(segment.text)
        assert turn is not None, segment.text
        said = " ".join([turn.think, *turn.queries, turn.answer or ""])
        assert words_in(said) <= words_in(shown) | vocabulary, said
        for answer in answers:
            assert holds(shown, answer) or not holds(said, answer), (said, answer)
