"""The multi-agent teacher (arXiv 2505.20285): planner, rewriter, observer and judge, prompts to one chat model.

The planner says what to find out first; the rewriter makes queries of it; the environment searches; the observer reads
everything found so far and either answers or asks for the next thing, which goes to the rewriter again. What comes out
is a trajectory of the one protocol, turn by turn, so that a student learns from it as from any other teacher.

What the members write is text from outside: it is neutralised before it becomes a turn.
"""

import logging

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from schemas.records import EndReason, Trajectory, Verdict, VerdictStatus
from tasks.agent.judge import is_supported, own_answer
from tasks.agent.protocol import neutralise
from tasks.requests.chat import ChatEndpoint, ChatFailed, RequestRefused
from tasks.requests.forms import MISUNDERSTANDINGS, Form, Unreadable, filled
from tasks.teachers import prompts
from tasks.teachers.interface import Attempt, Teacher

__all__ = ["MAX_QUERIES", "MISUNDERSTANDINGS", "MultiAgentTeacher"]

_log = logging.getLogger(__name__)

MAX_QUERIES = 5


class _Reply(BaseModel):
    model_config = ConfigDict(frozen=True)


class _Step(_Reply):
    """Of planner and observer: exactly one of ``ask`` and ``answer`` counts, the answer first."""

    thought: str
    ask: str | None = None
    answer: str | None = None


class _Queries(_Reply):
    queries: list[str] = Field(min_length=1)


class _Opinion(_Reply):
    right: StrictBool


class MultiAgentTeacher(Teacher):
    """All members are prompts to one chat model; the endpoint bounds how many requests are under way."""

    @property
    def endpoint(self) -> ChatEndpoint:
        assert self.context.endpoint is not None, "its settings name a chat model"
        return self.context.endpoint

    async def teach(self, attempt: Attempt) -> EndReason:
        step = await self._ask(attempt, _Step, prompts.PLANNER, prompts.asking(_task(attempt), ""))
        while not (step.answer or "").strip():
            if not (step.ask or "").strip():
                raise Unreadable("a step with neither a request nor an answer")
            if not attempt.may_search:
                return EndReason.TURNS
            await attempt.search(step.thought, await self._queries(attempt, step.ask or ""))
            observer = prompts.OBSERVER if attempt.may_search else f"{prompts.OBSERVER}\n\n{prompts.LAST_TURN}"
            step = await self._ask(attempt, _Step, observer, prompts.asking(_task(attempt), attempt.found))
        return attempt.answer(step.thought, step.answer or "")

    async def review(self, attempt: Attempt, trajectory: Trajectory, verdict: Verdict) -> Verdict:
        """An answer that the rule finds wrong may differ in wording only: there the model's judge is asked."""
        if verdict.status != VerdictStatus.WRONG:
            return verdict
        question = attempt.question
        gold = "\n".join(question.gold) if question.text is None else question.text
        request = prompts.judging(_task(attempt), gold, own_answer(trajectory) or "")
        try:
            opinion = await self._ask(attempt, _Opinion, prompts.JUDGE, request)
        except (Unreadable, ChatFailed, RequestRefused) as error:
            _log.warning("%s: no second opinion: %s", question.question_id, error)
            return verdict
        if not opinion.right:
            return verdict
        supported = is_supported(question, trajectory)
        return Verdict(
            judge=f"{verdict.judge}; overruled by {self.endpoint.model}",
            status=VerdictStatus.CORRECT if supported else VerdictStatus.UNSUPPORTED,
            recall=verdict.recall,
        )

    async def _queries(self, attempt: Attempt, request: str) -> list[str]:
        rewriting = prompts.rewriting(_task(attempt), attempt.found, request)
        reply = await self._ask(attempt, _Queries, prompts.REWRITER, rewriting)
        queries = [" ".join(neutralise(query).split()) for query in reply.queries]
        queries = [query for query in dict.fromkeys(queries) if query][:MAX_QUERIES]
        if not queries:
            raise Unreadable("the rewriter wrote no query")
        return queries

    async def _ask(self, attempt: Attempt, form: type[Form], system: str, user: str) -> Form:
        return await filled(form, self.endpoint, system, user, attempt.seed)


def _task(attempt: Attempt) -> str:
    return attempt.prompt.strip()
