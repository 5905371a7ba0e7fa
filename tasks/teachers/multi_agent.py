"""The multi-agent teacher (arXiv 2505.20285): planner, rewriter, observer and judge, prompts to one chat model.

The planner says what to find out first; the rewriter makes queries of it; the environment searches; the observer reads
everything found so far and either answers or asks for the next thing, which goes to the rewriter again. What comes out
is a trajectory of the one protocol, turn by turn, so that a student learns from it as from any other teacher.

What the members write is text from outside: it is neutralised before it becomes a turn.
"""

import logging
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from retrieval_index.hits import AsyncSearcher, SearchFailed
from schemas.records import Author, EndReason, Question, Search, Segment, Trajectory, Verdict, VerdictStatus
from schemas.settings import AgentSettings
from tasks.agent.environment import information_for_teacher, search_all, search_of
from tasks.agent.judge import is_supported, judge, own_answer
from tasks.agent.protocol import answer_turn, neutralise, prompt_of, search_turn
from tasks.agent.tokenizer import AgentTokenizer
from tasks.requests.chat import ChatEndpoint, ChatFailed, RequestRefused
from tasks.requests.forms import MISUNDERSTANDINGS, Form, Unreadable, filled
from tasks.teachers import prompts

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


@dataclass
class MultiAgentTeacher:
    """``teach`` may be called many times at once; the endpoint bounds what is under way."""

    endpoint: ChatEndpoint
    searcher: AsyncSearcher
    agent: AgentSettings
    label: str
    tokenizer: AgentTokenizer | None
    """The student's, if there is one: the members read what it would be shown."""

    async def teach(self, question: Question, rollout: int, seed: int) -> Trajectory:
        """One trajectory, judged.

        A search that failed ends it `tool_failed`, an endpoint that does not answer `engine_failed`, one that does not
        take this question, or what was found for it, `request_refused`.

        Raises:
            BadInput: the endpoint refuses all requests.
        """
        attempt = _Attempt(self, question, seed)
        try:
            end_reason = await attempt.run()
        except Unreadable as error:
            _log.warning("%s: %s", question.question_id, error)
            end_reason = EndReason.MALFORMED
        except ChatFailed as error:
            _log.warning("%s: %s", question.question_id, error)
            end_reason = EndReason.ENGINE_FAILED
        except RequestRefused as error:
            _log.warning("%s: %s", question.question_id, error)
            end_reason = EndReason.REQUEST_REFUSED
        trajectory = Trajectory(
            snapshot=question.snapshot,
            trajectory_id=f"{question.question_id}-{self.label}-{rollout}",
            question_id=question.question_id,
            group_id=question.question_id,
            rollout=rollout,
            teacher="multi_agent",
            label=self.label,
            model=self.endpoint.model,
            segments=attempt.segments,
            searches=attempt.searches,
            answer=attempt.answer,
            end_reason=end_reason,
            n_masks=question.n_masks,
            verdict=None,
            n_tokens=0,
        )
        return await attempt.judged(trajectory)


@dataclass
class _Attempt:
    """One trajectory under way."""

    teacher: MultiAgentTeacher
    question: Question
    seed: int
    segments: list[Segment] = field(default_factory=list)
    searches: list[Search] = field(default_factory=list)
    answer: str | None = None
    found: str = ""
    """Every information block so far, as they stand in the trajectory."""

    async def run(self) -> EndReason:
        self.segments.append(Segment(author=Author.PROMPT, text=prompt_of(self.question, self.teacher.agent)))
        step = await self._ask(_Step, prompts.PLANNER, prompts.asking(self._task, ""))
        while not (step.answer or "").strip():
            if not (step.ask or "").strip():
                raise Unreadable("a step with neither a request nor an answer")
            if len(self.searches) == self.teacher.agent.max_searches:
                return EndReason.TURNS
            if not await self._search(step):
                return EndReason.TOOL_FAILED
            step = await self._ask(_Step, self._observer(), prompts.asking(self._task, self.found))
        self.answer = " ".join(neutralise(step.answer or "").split())
        self._take(answer_turn(_thought(step), self.answer))
        return EndReason.ANSWERED

    async def judged(self, trajectory: Trajectory) -> Trajectory:
        """By the rule; an answer that the rule finds wrong may differ in wording only: there the judge has its say."""
        verdict = judge(self.question, trajectory)
        if verdict.status == VerdictStatus.WRONG:
            verdict = await self._second_opinion(trajectory, verdict)
        return trajectory.model_copy(update={"verdict": verdict})

    @property
    def _task(self) -> str:
        return prompt_of(self.question, self.teacher.agent).strip()

    def _observer(self) -> str:
        last = len(self.searches) == self.teacher.agent.max_searches
        return f"{prompts.OBSERVER}\n\n{prompts.LAST_TURN}" if last else prompts.OBSERVER

    async def _search(self, step: _Step) -> bool:
        """Write the search turn and what it found; False where the search failed."""
        reply = await self._ask(_Queries, prompts.REWRITER, prompts.rewriting(self._task, self.found, step.ask or ""))
        queries = [" ".join(neutralise(query).split()) for query in reply.queries]
        queries = [query for query in dict.fromkeys(queries) if query][:MAX_QUERIES]
        if not queries:
            raise Unreadable("the rewriter wrote no query")
        self._take(search_turn(_thought(step), queries))
        try:
            hits = await search_all(queries, self.question, self.teacher.searcher, self.teacher.agent)
        except SearchFailed as error:
            _log.warning("%s: %s", self.question.question_id, error)
            self.searches.append(search_of(queries, None))
            return False
        information, shown = information_for_teacher(hits, self.teacher.agent, self.teacher.tokenizer)
        self.searches.append(search_of(queries, shown))
        self.segments.append(information)
        self.found += f"\n{information.text}"
        return True

    def _take(self, turn: str) -> None:
        self.segments.append(Segment(author=Author.MODEL, text=turn))

    async def _second_opinion(self, trajectory: Trajectory, verdict: Verdict) -> Verdict:
        gold = "\n".join(self.question.gold) if self.question.text is None else self.question.text
        told = prompts.judging(self._task, gold, own_answer(trajectory) or "")
        try:
            opinion = await self._ask(_Opinion, prompts.JUDGE, told)
        except (Unreadable, ChatFailed, RequestRefused) as error:
            _log.warning("%s: no second opinion: %s", self.question.question_id, error)
            return verdict
        if not opinion.right:
            return verdict
        supported = is_supported(self.question, trajectory)
        return Verdict(
            judge=f"{verdict.judge}; overruled by {self.teacher.endpoint.model}",
            status=VerdictStatus.CORRECT if supported else VerdictStatus.UNSUPPORTED,
            recall=verdict.recall,
        )

    async def _ask(self, form: type[Form], system: str, user: str) -> Form:
        return await filled(form, self.teacher.endpoint, system, user, self.seed)


def _thought(step: _Step) -> str:
    return " ".join(neutralise(step.thought).split())
