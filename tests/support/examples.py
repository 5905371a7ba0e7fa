"""Small rows for tests: a RAMP question over any text, a question without masks, a trajectory of given turns."""

from collections.abc import Mapping, Sequence

from schemas.records import Author, EndReason, Mask, Question, Search, Segment, Trajectory
from tasks.agent.protocol import MASK

SNAPSHOT = "smallworld-20260101"


def ramp_question(
    text: str, golds: Sequence[str], aliases: Mapping[str, list[str]] | None = None, question_id: str = "q"
) -> Question:
    """A question over ``text``, each gold masked where it first stands behind the one before."""
    masks, masked, done = [], "", 0
    for gold in golds:
        start = text.index(gold, done)
        masked += text[done:start] + MASK
        done = start + len(gold)
        accepted = (aliases or {}).get(gold, [])
        masks.append(
            Mask(start=start, end=done, surface=gold, kind="entity", target=None, aliases=accepted, evidence=None)
        )
    masked += text[done:]
    return Question(
        snapshot=SNAPSHOT,
        question_id=question_id,
        kind="ramp",
        language="en",
        prompt=masked,
        gold=list(golds),
        aliases=[mask.aliases for mask in masks],
        n_masks=len(masks),
        hops=1,
        split="test",
        source="test",
        title="Arlen Brom",
        text=text,
        masked_text=masked,
        masks=masks,
    )


def qa_question(golds: list[str], aliases: list[list[str]]) -> Question:
    """A question without masks; each gold, and each of its aliases, is a right answer."""
    return Question(
        snapshot=SNAPSHOT,
        question_id="qa",
        kind="qa",
        language="en",
        prompt="Where did he die?",
        gold=golds,
        aliases=aliases,
        n_masks=0,
        hops=2,
        split="test",
        source="test",
    )


def trajectory(
    question: Question,
    turns: Sequence[tuple[Author, str]],
    end_reason: EndReason = EndReason.ANSWERED,
    answer: str | None = None,
    trajectory_id: str = "t",
) -> Trajectory:
    """The question's prompt, then these turns; a search is recorded for every information block."""
    found = [text for author, text in turns if author == Author.ENVIRONMENT]
    return Trajectory(
        snapshot=SNAPSHOT,
        trajectory_id=trajectory_id,
        question_id=question.question_id,
        group_id=question.question_id,
        rollout=0,
        teacher="student",
        label="test",
        model="test",
        segments=[
            Segment(author=Author.PROMPT, text=f"{question.prompt}\n"),
            *(Segment(author=author, text=text) for author, text in turns),
        ],
        searches=[Search(queries=["a query"], passage_ids=["1-0"], outcome="found") for _ in found],
        answer=answer,
        end_reason=end_reason,
        n_masks=question.n_masks,
        verdict=None,
        n_tokens=sum(len(text.split()) for _, text in turns),
    )
