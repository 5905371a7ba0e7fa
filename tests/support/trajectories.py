"""Made-up trajectories for tests and benchmarks of training."""

import random

from schemas.records import Author, EndReason, Segment, Trajectory, Verdict, VerdictStatus
from tasks.agent.protocol import answer_turn, search_turn

SNAPSHOT = "smallworld-20260101"
_SYLLABLES = ["ka", "lo", "vin", "to", "mar", "el", "su", "dre"]


def _name(source: random.Random) -> str:
    return "".join(source.choice(_SYLLABLES) for _ in range(3)).capitalize()


def made_up_trajectory(number: int) -> Trajectory:
    """An accepted one of ``number`` % 4 + 1 masks: its search shows the answers, its answer copies them."""
    source, n_masks = random.Random(number), number % 4 + 1
    facts = [(_name(source), _name(source)) for _ in range(n_masks)]
    segments = [Segment(author=Author.PROMPT, text="".join(f"{firm} belongs to [mask].\n" for firm, _ in facts))]
    for firm, owner in facts:
        segments.append(Segment(author=Author.MODEL, text=search_turn(f"owner of {firm}", [firm])))
        found = f"<information>{firm}: the owner of {firm} is {owner}.</information>"
        segments.append(Segment(author=Author.ENVIRONMENT, text=found))
    answer = " ".join(f"{firm} belongs to {owner}." for firm, owner in facts)
    segments.append(Segment(author=Author.MODEL, text=answer_turn("all found", answer)))
    return Trajectory(
        snapshot=SNAPSHOT,
        trajectory_id=f"q{number}-0",
        question_id=f"q{number}",
        group_id=f"q{number}",
        rollout=0,
        teacher="scripted",
        label="scripted",
        model="",
        segments=segments,
        searches=[],
        answer=answer,
        end_reason=EndReason.ANSWERED,
        n_masks=n_masks,
        verdict=Verdict(judge="test", status=VerdictStatus.CORRECT, recall=1.0),
        n_tokens=0,
    )
