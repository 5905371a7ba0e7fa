"""The scripted teacher: trajectories without a model, from the evidence that questions carry.

The teacher knows the gold, and must not let it show: `honesty` says what a turn may say. How it answers depends on what
a question carries: evidence of masks (`scripted_ramp`), a decomposition (`scripted_steps`; of a claim,
`scripted_claims`), or supporting passages (`scripted_support`).
"""

from collections.abc import Iterator

from retrieval_index.hits import Hit, Query, Searcher, SearchFailed
from schemas.records import Question, Trajectory
from schemas.settings import AgentSettings
from tasks.agent.tokenizer import AgentTokenizer
from tasks.teachers.scripted_attempt import ScriptedAttempt
from tasks.teachers.scripted_claims import ClaimAttempt
from tasks.teachers.scripted_ramp import RampAttempt
from tasks.teachers.scripted_steps import StepsAttempt
from tasks.teachers.scripted_support import SupportAttempt


def _way_of(question: Question) -> type[ScriptedAttempt]:
    if question.kind == "ramp":
        return RampAttempt
    if question.kind == "claim":
        return ClaimAttempt
    return StepsAttempt if question.steps else SupportAttempt


def teach_many(
    questions: list[Question],
    searcher: Searcher,
    agent: AgentSettings,
    label: str = "scripted",
    tokenizer: AgentTokenizer | None = None,
) -> list[Trajectory]:
    """One trajectory a question, in their order, searched in common batches; not judged.

    ``tokenizer`` is the student's, if there is one (`environment.information_for_teacher`).
    ``n_tokens`` is 0: teachers' text is tokenised when training loads it. A question whose evidence does not lead to
    its answer ends `teacher_stuck`; a failed search ends `tool_failed` and is nobody's training data.
    """
    attempts = [_way_of(question)(question, agent, tokenizer) for question in questions]
    waiting = attempts
    while waiting:
        asked = [(attempt, query) for attempt in waiting if (query := attempt.next_query()) is not None]
        for attempt, query, hits in _search_all(asked, searcher, agent.hits):
            if hits is None:
                attempt.fail(query)
            else:
                attempt.read(query, hits)
        waiting = [attempt for attempt, _ in asked if attempt.end is None]
    return [attempt.trajectory(label) for attempt in attempts]


def _search_all(
    asked: list[tuple[ScriptedAttempt, Query]], searcher: Searcher, k: int
) -> Iterator[tuple[ScriptedAttempt, Query, list[Hit] | None]]:
    if not asked:
        return
    try:
        found: list[list[Hit] | None] = list(searcher.search([query for _, query in asked], k))
    except SearchFailed:
        found = [None] * len(asked)
    for (attempt, query), hits in zip(asked, found, strict=True):
        yield attempt, query, hits


def teach(
    question: Question,
    searcher: Searcher,
    agent: AgentSettings,
    label: str = "scripted",
    tokenizer: AgentTokenizer | None = None,
) -> Trajectory:
    """`teach_many` of one question."""
    return teach_many([question], searcher, agent, label, tokenizer)[0]
