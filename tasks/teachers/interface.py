"""What a teacher is: it answers one question at a time, in turns of the protocol.

A teacher writes its turns into an `Attempt`, which searches for it, shows it what the student would be shown, and keeps
the turns as a trajectory. A teacher that works in another way (many questions in one batch) is in the registry's table
of those.
"""

import logging
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

from retrieval_index.hits import AsyncSearcher, Hit, SearchFailed
from schemas.records import Author, EndReason, Question, Search, Segment, Trajectory, Verdict
from schemas.settings import AgentSettings
from tasks.agent.environment import information_for_teacher, search_all, search_of
from tasks.agent.judges import Judge
from tasks.agent.protocol import answer_turn, neutralise, prompt_of, search_turn
from tasks.agent.tokenizer import AgentTokenizer
from tasks.requests.chat import ChatEndpoint, ChatFailed, RequestRefused
from tasks.requests.forms import Unreadable

_log = logging.getLogger(__name__)

_ENDS: dict[type[Exception], EndReason] = {
    SearchFailed: EndReason.TOOL_FAILED,
    Unreadable: EndReason.MALFORMED,
    ChatFailed: EndReason.ENGINE_FAILED,
    RequestRefused: EndReason.REQUEST_REFUSED,
}
"""How an attempt ends by an error of what a teacher uses."""


@dataclass(frozen=True)
class TeacherContext:
    """What a teacher may use."""

    searcher: AsyncSearcher
    agent: AgentSettings
    label: str
    tokenizer: AgentTokenizer | None = None
    """The student's; None where there is no student."""
    endpoint: ChatEndpoint | None = None
    """The chat model of `runtime.teacher_endpoint`, for settings that are `ChatModelSettings`; else None."""


@dataclass
class Attempt:
    """One trajectory being written: ``number`` counts those of the question from 0, and ``seed`` is its own."""

    question: Question
    number: int
    seed: int
    context: TeacherContext
    segments: list[Segment] = field(default_factory=list)
    searches: list[Search] = field(default_factory=list)
    final: str | None = None
    """The answer, once there is one."""

    def __post_init__(self) -> None:
        self.segments.append(Segment(author=Author.PROMPT, text=prompt_of(self.question, self.context.agent)))

    @property
    def prompt(self) -> str:
        """What the student reads first."""
        return self.segments[0].text

    @property
    def found(self) -> str:
        """All that searches have shown, as the trajectory has it."""
        return "".join(f"\n{segment.text}" for segment in self.segments if segment.author == Author.ENVIRONMENT)

    @property
    def may_search(self) -> bool:
        """Whether `agent.max_searches` leaves another search."""
        return len(self.searches) < self.context.agent.max_searches

    async def search(self, thought: str, queries: list[str]) -> list[Hit]:
        """Write a search turn; the passages that it shows, best first.

        Raises:
            SearchFailed: the index did not answer. A teacher lets it pass: the attempt is made again.
        """
        asked = [query for query in dict.fromkeys(map(_as_line, queries)) if query]
        self._write(search_turn(_as_line(thought), asked))
        try:
            hits = await search_all(asked, self.question, self.context.searcher, self.context.agent)
        except SearchFailed:
            self.searches.append(search_of(asked, None, self.question))
            raise
        information, shown = information_for_teacher(hits, self.context.agent, self.context.tokenizer)
        self.searches.append(search_of(asked, shown, self.question))
        self.segments.append(information)
        return shown

    def answer(self, thought: str, answer: str) -> EndReason:
        """Write the last turn; gives back how the attempt has ended."""
        self.final = _as_line(answer)
        self._write(answer_turn(_as_line(thought), self.final))
        return EndReason.ANSWERED

    def trajectory(self, end_reason: EndReason, teacher: str) -> Trajectory:
        """All turns so far, not judged yet."""
        endpoint = self.context.endpoint
        return Trajectory(
            snapshot=self.question.snapshot,
            trajectory_id=f"{self.question.question_id}-{self.context.label}-{self.number}",
            question_id=self.question.question_id,
            group_id=self.question.question_id,
            rollout=self.number,
            teacher=teacher,
            label=self.context.label,
            model=teacher if endpoint is None else endpoint.model,
            segments=self.segments,
            searches=self.searches,
            answer=self.final,
            end_reason=end_reason,
            n_masks=self.question.n_masks,
            verdict=None,
            n_tokens=0,
            hops=0 if self.question.kind == "ramp" else self.question.hops,
        )

    def _write(self, turn: str) -> None:
        self.segments.append(Segment(author=Author.MODEL, text=turn))


class Teacher(ABC):
    """`teach` is called for many questions at once."""

    def __init__(self, settings: Any, context: TeacherContext) -> None:
        self.settings, self.context = settings, context

    @abstractmethod
    async def teach(self, attempt: Attempt) -> EndReason:
        """Write the turns of an attempt; gives back how it ended.

        Raises:
            SearchFailed, ChatFailed: the attempt is made again, by the next run.
            RequestRefused, Unreadable: the endpoint does not take the question, or gives no reply that can be read.
        """

    async def review(self, attempt: Attempt, trajectory: Trajectory, verdict: Verdict) -> Verdict:
        """The verdict to keep: the judge's, unless the teacher has a second opinion."""
        return verdict


async def trajectory_of(
    teacher: Teacher, kind: str, question: Question, number: int, seed: int, judge: Judge
) -> Trajectory:
    """One attempt of a teacher of that kind, judged.

    Raises:
        BadInput: the endpoint refuses all requests.
    """
    attempt = Attempt(question, number, seed, teacher.context)
    try:
        end_reason = await teacher.teach(attempt)
    except tuple(_ENDS) as error:
        _log.warning("%s: %s", question.question_id, error)
        end_reason = next(end for kind_of_error, end in _ENDS.items() if isinstance(error, kind_of_error))
    trajectory = attempt.trajectory(end_reason, kind)
    verdict = await teacher.review(attempt, trajectory, judge(question, trajectory))
    return trajectory.model_copy(update={"verdict": verdict})


def _as_line(text: str) -> str:
    """Text of a model or a person as one line without anything that looks like a tag."""
    return " ".join(neutralise(text).split())
