"""One trajectory of the scripted teacher under way: turns, searches, and the check that each turn is honest.

A way to answer (RAMP by evidence, questions by their steps or by supporting passages) is a subclass that decides the
next turn from what was shown. It reads what its student would be shown, so that nothing is written that the student's
own search would have cut off. A turn that is not honest (`honesty`) is not taken: the trajectory ends there, stuck.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Set
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

from retrieval_index.hits import Hit, Query
from schemas.records import Author, EndReason, Question, Search, Segment, Trajectory
from schemas.settings import AgentSettings
from tasks.agent.environment import hold_back_of, information_for_teacher, search_of
from tasks.agent.protocol import answer_turn, neutralise, prompt_of, search_turn
from tasks.agent.tokenizer import AgentTokenizer
from tasks.teachers.honesty import Shown, leak_in

_TAGS = re.compile(r"</?(?:think|search|answer)>")


class Act(NamedTuple):
    """What a turn does: it answers, or it searches; with neither the teacher is stuck."""

    query: str | None = None
    answer: str | None = None


@dataclass
class ScriptedAttempt(ABC):
    question: Question
    agent: AgentSettings
    tokenizer: AgentTokenizer | None
    segments: list[Segment] = field(default_factory=list)
    searches: list[Search] = field(default_factory=list)
    shown: Shown = field(default_factory=Shown)
    hits: list[Hit] = field(default_factory=list)
    thought: str = ""
    """Of the turn that is being written."""
    answer: str | None = None
    end: EndReason | None = None

    vocabulary: ClassVar[Set[str]]
    """Words that a turn may always use, in lower case."""

    def __post_init__(self) -> None:
        prompt = prompt_of(self.question, self.agent)
        self.segments.append(Segment(author=Author.PROMPT, text=prompt))
        self.shown.add(prompt)

    @abstractmethod
    def act(self) -> Act:
        """Write the next turn's thought, and decide what it does."""

    @abstractmethod
    def asked_for(self) -> Iterable[str]:
        """Every name that no turn may say before it was shown."""

    def next_query(self) -> Query | None:
        """Write the next turn. Its query, where it searches; None where the trajectory has ended."""
        query, answer = self.act()
        if answer is not None:
            self._take(answer_turn(self.thought.strip(), answer), EndReason.ANSWERED)
            if self.end is EndReason.ANSWERED:
                self.answer = answer
            return None
        if query is None:
            self.end = EndReason.TEACHER_STUCK
        elif len(self.searches) == self.agent.max_searches:
            self.end = EndReason.TURNS
        else:
            self._take(search_turn(self.thought.strip(), [query]), None)
        if self.end is not None or query is None:
            return None
        return Query(query, hold_back_of(self.question, self.agent))

    def read(self, query: Query, hits: list[Hit]) -> None:
        """Append the reply to a search. Only hits that fit into it were shown."""
        information, hits = information_for_teacher(hits, self.agent, self.tokenizer)
        self.segments.append(information)
        self.shown.add(information.text)
        self.hits += hits
        self.searches.append(search_of([query.text], hits, self.question))
        self.thought = ""

    def fail(self, query: Query) -> None:
        self.searches.append(search_of([query.text], None, self.question))
        self.end = EndReason.TOOL_FAILED

    def unsearched(self, queries: Iterable[str | None]) -> str | None:
        """The first of these queries that has not been made yet."""
        made = {query for search in self.searches for query in search.queries}
        return next((query for query in queries if query and query not in made), None)

    def hits_titled(self, title: str) -> list[Hit]:
        """The passages of a page that were shown."""
        return [hit for hit in self.hits if hit.title.casefold() == title.casefold()]

    def _take(self, turn: str, end: EndReason | None) -> None:
        if leak_in(_TAGS.sub(" ", turn), self.shown, self.asked_for(), self.vocabulary):
            self.end = EndReason.TEACHER_STUCK
            return
        self.segments.append(Segment(author=Author.MODEL, text=turn))
        self.end = end

    def trajectory(self, label: str) -> Trajectory:
        assert self.end is not None
        return Trajectory(
            snapshot=self.question.snapshot,
            trajectory_id=f"{self.question.question_id}-{label}-0",
            question_id=self.question.question_id,
            group_id=self.question.question_id,
            rollout=0,
            teacher="scripted",
            label=label,
            model="scripted",
            segments=self.segments,
            searches=self.searches,
            answer=self.answer,
            end_reason=self.end,
            n_masks=self.question.n_masks,
            verdict=None,
            n_tokens=0,
            hops=0 if self.question.kind == "ramp" else self.question.hops,
        )


def text_of(hit: Hit) -> str:
    """A passage as an information block shows it."""
    return neutralise(f"{hit.title}: {' '.join(hit.text.split())}")
