"""The agent loop: a model and a search engine take turns until the model answers, or the rollout ends with a reason.

Token in, token out: ids and logprobs stay as the model sampled them. The environment's text is encoded once; the model
reads these ids, and the trajectory keeps them. No text is decoded and encoded again, and no turn is trimmed: it ends
where the engine stopped.
"""

import asyncio
import bisect
import itertools
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np

from retrieval_index.hits import AsyncSearcher, Hit, Query, SearchFailed
from schemas.protocol_settings import ProtocolSettings
from schemas.records import Author, EndReason, Question, Search, SearchOutcome, Segment, Trajectory
from schemas.settings import AgentSettings
from tasks.agent.protocol import Turn, information_of
from tasks.agent.support import support_among
from tasks.agent.terms import terms_of
from tasks.agent.tokenizer import AgentTokenizer
from tasks.engines.interface import Engine, EngineFailed, Sample, Sampling, StopReason

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TurnSampling:
    """How the turns of one rollout are sampled. Turn n uses a seed derived from ``seed`` and n."""

    temperature: float
    top_p: float = 1.0
    seed: int | None = None
    banned_tags: tuple[str, ...] = ()
    opening: str = ""
    """Text with which every turn begins: the model continues from there."""
    searches_first: bool = False
    """Whether the environment searches for the question itself before the first turn."""
    closing: str = ""
    """Text with which every turn ends, after its full number of tokens: for a model that cannot end a turn itself."""
    protocol: ProtocolSettings | None = None
    """The protocol in which the model is asked, with its own limits; None: the pipeline's own."""


async def run_trajectory(
    question: Question,
    *,
    engine: Engine,
    searcher: AsyncSearcher,
    tokenizer: AgentTokenizer,
    agent: AgentSettings,
    sampling: TurnSampling,
    rollout: int = 0,
    label: str = "student",
    model: str = "student",
) -> Trajectory:
    """One rollout of one question, not judged yet.

    A failure of the engine or the index does not raise: the rollout ends as `engine_failed` or `tool_failed`, keeps
    its segments so far, and is excluded from training.
    """
    loop = _Loop(question, engine, searcher, tokenizer, agent, sampling)
    end_reason = await loop.run()
    return Trajectory(
        snapshot=question.snapshot,
        trajectory_id=f"{question.question_id}-{label}-{rollout}",
        question_id=question.question_id,
        group_id=question.question_id,
        rollout=rollout,
        teacher="student",
        label=label,
        model=model,
        segments=loop.segments,
        searches=loop.searches,
        answer=loop.answer,
        end_reason=end_reason,
        n_masks=question.n_masks,
        verdict=None,
        n_tokens=len(loop.token_ids),
        hops=0 if question.kind == "ramp" else question.hops,
    )


class _Loop:
    """A rollout in progress. ``token_ids`` is the whole context that the model reads next."""

    def __init__(
        self,
        question: Question,
        engine: Engine,
        searcher: AsyncSearcher,
        tokenizer: AgentTokenizer,
        agent: AgentSettings,
        sampling: TurnSampling,
    ) -> None:
        self._question, self._engine, self._searcher, self._sampling = question, engine, searcher, sampling
        self._terms = terms_of(tokenizer, agent, sampling.protocol)
        self._agent = self._terms.agent
        self._banned_ids = self._terms.banned(sampling.banned_tags)
        self.token_ids: list[int] = []
        self.segments: list[Segment] = []
        self.searches: list[Search] = []
        self.answer: str | None = None

    async def run(self) -> EndReason:
        self._append(self._terms.ask(self._question))
        if self._sampling.searches_first:
            query = " ".join(self._question.prompt.split())
            self._say(self._terms.search_turn(query))
            failure = await self._search([query])
            if failure is not None:
                return failure
        for number in range(self._agent.max_turns):
            self._open_turn()
            if self._room() <= 0:
                return EndReason.LENGTH
            try:
                sample = await self._sampled(number)
            except EngineFailed as error:
                _log.warning("%s: %s", self._question.question_id, error)
                return EndReason.ENGINE_FAILED
            turn = self._take(sample)
            is_cut = sample.stop_reason == StopReason.LENGTH and not self._sampling.closing
            if is_cut or turn is None:
                if number == self._agent.max_searches or not self._correct():
                    return EndReason.LENGTH if is_cut else EndReason.MALFORMED
                continue
            if turn.answer is not None:
                self.answer = turn.answer
                return EndReason.ANSWERED
            if number == self._agent.max_searches:
                break
            failure = await self._search(turn.queries)
            if failure is not None:
                return failure
        return EndReason.TURNS

    def _open_turn(self) -> None:
        self._say(self._sampling.opening)

    def _say(self, text: str) -> None:
        """Append forced text to the turn, if there is any. Its author is the environment: no gradient goes through."""
        if text:
            self._append(Segment(author=Author.ENVIRONMENT, text=text, token_ids=self._terms.encode(text)))

    def _correct(self) -> bool:
        """Let the model try again, after a turn that is none; False if the terms do not, or no room is left."""
        if self._terms.correction is None:
            return False
        self._say(self._terms.correction)
        return self._room() > 0

    def _room(self) -> int:
        return self._agent.max_tokens - len(self.token_ids)

    async def _sampled(self, number: int) -> Sample:
        """One turn. The engine stops wherever a tag may end; it goes on where none has.

        Raises:
            EngineFailed: the engine did not answer.
        """
        left = min(self._agent.max_turn_tokens, self._room())
        turn = await self._engine.generate(self.token_ids, self._turn_sampling(left, number))
        piece = 1
        while turn.stop_reason == StopReason.STOP and not self._terms.is_over(turn.token_ids):
            if len(turn.token_ids) >= left:
                return replace(turn, stop_reason=StopReason.LENGTH)
            sampling = self._turn_sampling(left - len(turn.token_ids), number, piece)
            turn = _joined(turn, await self._engine.generate([*self.token_ids, *turn.token_ids], sampling))
            piece += 1
        return turn

    def _turn_sampling(self, max_tokens: int, *part: int) -> Sampling:
        """``part``: the turn's number, and of what follows a stop within it the piece's number."""
        return Sampling(
            temperature=self._sampling.temperature,
            max_tokens=max_tokens,
            stop_ids=() if self._sampling.closing else self._terms.stop_ids,
            banned_ids=self._banned_ids,
            seed=None if self._sampling.seed is None else _seed_of_turn(self._sampling.seed, *part),
            top_p=self._sampling.top_p,
        )

    def _take(self, sample: Sample) -> Turn | None:
        text = self._terms.decode(sample.token_ids)
        self._append(
            Segment(
                author=Author.MODEL,
                text=text,
                token_ids=sample.token_ids,
                logprobs=sample.logprobs,
                versions=sample.versions,
            )
        )
        self._say(self._sampling.closing)
        return self._terms.turn_of(self._sampling.opening, sample.token_ids, self._sampling.closing)

    async def _search(self, queries: list[str]) -> EndReason | None:
        """Search, and append the result for the model. Returns the end reason if the rollout ends here, else None."""
        try:
            hits = await search_all(queries, self._question, self._searcher, self._agent)
        except SearchFailed as error:
            _log.warning("%s: %s", self._question.question_id, error)
            self.searches.append(search_of(queries, None, self._question))
            return EndReason.TOOL_FAILED
        segment, shown = _information_within(
            hits, self._agent.max_information_tokens, self._terms.information, self._terms.encode
        )
        self.searches.append(search_of(queries, shown, self._question))
        if len(segment.token_ids or []) >= self._room():
            return EndReason.LENGTH
        self._append(segment)
        return None

    def _append(self, segment: Segment) -> None:
        assert segment.token_ids is not None
        self.segments.append(segment)
        self.token_ids += segment.token_ids


def _seed_of_turn(seed: int, *part: int) -> int:
    return int(np.random.SeedSequence((seed, *part)).generate_state(1)[0] >> 1)


def _joined(first: Sample, second: Sample) -> Sample:
    """One sample of two, of which the second continues the first."""
    both = first.versions is not None and second.versions is not None
    return Sample(
        token_ids=[*first.token_ids, *second.token_ids],
        logprobs=[*first.logprobs, *second.logprobs],
        stop_reason=second.stop_reason,
        versions=[*(first.versions or ()), *(second.versions or ())] if both else None,
    )


# -- searching, the same for every teacher and the student -----------------------------------------------------------


def hold_back_of(question: Question, agent: AgentSettings) -> str | None:
    """The id of what search must not return: the question's own passage or page; None for a question without one."""
    own = question.passage_id if agent.hold_back == "passage" else question.page_id
    return None if own is None else str(own)


async def search_all(
    queries: list[str], question: Question, searcher: AsyncSearcher, agent: AgentSettings
) -> list[Hit]:
    """The hits of all queries of a turn, interleaved and without duplicates, at most ``agent.hits``.

    Raises:
        SearchFailed: one of the queries failed. The hits of the others alone would not be the reply to this turn.
    """
    hold_back = hold_back_of(question, agent)
    distinct = list(dict.fromkeys(queries))
    hits = await asyncio.gather(*(searcher.search(Query(text, hold_back), agent.hits) for text in distinct))
    return merged(hits, agent.hits)


def merged(lists: Iterable[list[Hit]], k: int) -> list[Hit]:
    """The first ``k`` different passages in this order: the best of each list, then the second best of each, etc."""
    different: dict[str, Hit] = {}
    for hit in itertools.chain.from_iterable(itertools.zip_longest(*lists)):
        if hit is not None:
            different.setdefault(hit.passage_id, hit)
    return list(different.values())[:k]


def search_of(queries: list[str], shown: list[Hit] | None, question: Question) -> Search:
    """The record of one search turn. ``shown`` is None if the search failed."""
    outcome = SearchOutcome.FAILED if shown is None else SearchOutcome.FOUND if shown else SearchOutcome.NOTHING
    return Search(
        queries=queries,
        passage_ids=[hit.passage_id for hit in shown or []],
        outcome=outcome,
        support=support_among(shown or [], question.support),
    )


def information_within(hits: list[Hit], limit: int, tokenizer: AgentTokenizer) -> tuple[Segment, list[Hit]]:
    """The environment's reply in at most ``limit`` tokens, tags included, and the passages that it shows.

    It shows whole passages, best first. If the first passage does not fit, it is cut after the last word that does.
    """
    return _information_within(hits, limit, information_of, tokenizer.encode)


def _information_within(
    hits: list[Hit], limit: int, write: Callable[[list[Hit]], str], encode: Callable[[str], list[int]]
) -> tuple[Segment, list[Hit]]:
    """As `information_within`, as the terms of a conversation write and encode it."""

    def reply(shown: list[Hit]) -> Segment:
        text = write(shown)
        return Segment(author=Author.ENVIRONMENT, text=text, token_ids=encode(text))

    def fits(segment: Segment) -> bool:
        return len(segment.token_ids or []) <= limit

    for count in range(len(hits), 0, -1):
        segment = reply(hits[:count])
        if fits(segment):
            return segment, hits[:count]
    if not hits:
        return reply([]), []
    words = hits[0].text.split()
    beginnings = [[replace(hits[0], text=" ".join(words[:count]))] for count in range(len(words))]
    too_long = bisect.bisect_left(beginnings, True, key=lambda shown: not fits(reply(shown)))
    shown = beginnings[max(too_long - 1, 0)]
    return reply(shown), shown


def information_for_teacher(
    hits: list[Hit], agent: AgentSettings, tokenizer: AgentTokenizer | None
) -> tuple[Segment, list[Hit]]:
    """The environment's reply for a teacher, and the passages that it shows: the same that its student would see.

    ``tokenizer`` is the student's. It is None where there is no student; then the reply shows all passages.
    """
    if tokenizer is None:
        return Segment(author=Author.ENVIRONMENT, text=information_of(hits)), hits
    segment, shown = information_within(hits, agent.max_information_tokens, tokenizer)
    return segment.model_copy(update={"token_ids": None}), shown
