"""The scripted teacher: trajectories without a model, from the evidence that questions carry.

It fills the paragraph in from left to right. A thought goes on with the text from the last mask to the next one; where
what was retrieved holds the next value, the thought writes it and goes on; where not, it stops there and searches for
the name that the evidence leads to. The answer is the paragraph with all values in place. It reads what its student
would be shown, so that no value is written that the student's own search would have cut off.

The teacher knows the gold, and must not let it show. A turn may use only words of the prompt, words that were
retrieved, and `VOCABULARY`; and it may not name what is masked (surface, target, alias) before the prompt or an
information block showed it. `leak_in` checks every turn; one that fails is not taken, and the trajectory ends there,
stuck.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from retrieval_index.hits import Hit, Query, Searcher, SearchFailed
from schemas.records import Author, EndReason, Mask, Question, Search, Segment, Trajectory
from schemas.settings import AgentSettings
from tasks.agent.environment import hold_back_of, information_for_teacher, search_of
from tasks.agent.protocol import answer_turn, neutralise, prompt_of, search_turn
from tasks.agent.scoring import holds
from tasks.agent.tokenizer import AgentTokenizer

CUE_WORDS = 60
"""Words at most that a thought repeats from before a mask."""
BRIDGE = "see"
VOCABULARY = frozenset({BRIDGE})

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


def leak_in(turn: str, shown: Shown, masks: list[Mask]) -> str | None:
    """What a turn's text may not say yet: a word from nowhere, or a masked value that nothing has shown; or None."""
    strange = _words(turn) - shown.words - VOCABULARY
    if strange:
        return min(strange)
    for mask in masks:
        for name in (mask.surface, *([mask.target] if mask.target else []), *mask.aliases):
            if holds(turn, name) and not holds(shown.text, name):
                return name
    return None


@dataclass
class _Attempt:
    """One trajectory under way."""

    question: Question
    agent: AgentSettings
    tokenizer: AgentTokenizer | None
    segments: list[Segment] = field(default_factory=list)
    searches: list[Search] = field(default_factory=list)
    shown: Shown = field(default_factory=Shown)
    hits: list[Hit] = field(default_factory=list)
    values: list[str] = field(default_factory=list)
    thought: str = ""
    answer: str | None = None
    end: EndReason | None = None

    def __post_init__(self) -> None:
        prompt = prompt_of(self.question, self.agent)
        self.segments.append(Segment(author=Author.PROMPT, text=prompt))
        self.shown.add(prompt)

    def next_query(self) -> Query | None:
        """Write the next turn. Its query, where it searches; None where the trajectory has ended."""
        self._fill()
        if len(self.values) == len(self.question.masks):
            self._take(answer_turn(self.thought.strip(), self._filled()), EndReason.ANSWERED)
            if self.end is EndReason.ANSWERED:
                self.answer = self._filled()
            return None
        query = self._unasked()
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
        """Take in what the search found."""
        information, told = information_for_teacher(hits, self.agent, self.tokenizer)
        self.segments.append(information)
        self.shown.add(information.text)
        self.hits += told
        self.searches.append(search_of([query.text], told, self.question))
        self.thought = ""

    def fail(self, query: Query) -> None:
        self.searches.append(search_of([query.text], None, self.question))
        self.end = EndReason.TOOL_FAILED

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
        asked = {query for search in self.searches for query in search.queries}
        unasked = [query for query in evidence.queries if query not in asked] if evidence else []
        if unasked and evidence and unasked[0] != evidence.queries[0] and not self.thought:
            self.thought = f"{BRIDGE} {unasked[0]}"
        return unasked[0] if unasked else None

    def _take(self, turn: str, end: EndReason | None) -> None:
        acted = re.sub(r"</?(?:think|search|answer)>", " ", turn)
        if leak_in(acted, self.shown, self.question.masks):
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
        )


def teach_many(
    questions: list[Question],
    searcher: Searcher,
    agent: AgentSettings,
    label: str = "scripted",
    tokenizer: AgentTokenizer | None = None,
) -> list[Trajectory]:
    """One trajectory a question, in their order, searched in common batches; not judged.

    ``tokenizer`` is the student's, if there is one (`environment.information_for_teacher`).
    ``n_tokens`` is 0: teachers' text is tokenised when training loads it. A question without masks, or with a mask that
    has no evidence, ends `teacher_stuck`; a failed search ends `tool_failed` and is nobody's training data.
    """
    attempts = [_Attempt(question, agent, tokenizer) for question in questions]
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
    asked: list[tuple[_Attempt, Query]], searcher: Searcher, k: int
) -> Iterator[tuple[_Attempt, Query, list[Hit] | None]]:
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
