"""A rollout worker: an engine, the tokenizer and search under one roof, that runs whole trajectories.

In the job's own process it is the whole pool (`tasks.rollouts.pool.RolloutPool`); in a Ray actor it is one of many
(workers.py).
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from retrieval_index.client import BatchingSearcher
from retrieval_index.hits import AsyncSearcher, Hit, Query
from schemas.errors import BadInput, JobLost, RunFailed
from schemas.records import EndReason, Question, Trajectory
from schemas.runtime import EngineRuntime
from schemas.settings import AgentSettings
from tasks.agent.environment import TurnSampling, run_trajectory
from tasks.agent.tokenizer import AgentTokenizer
from tasks.engines.interface import EngineFailed, ModelEngine
from tasks.engines.opening import open_engine
from tasks.requests.rollout_requests import Rollout
from tasks.rollouts.sampler import refuse_biased_engine
from tasks.weights.new_weights import NewWeights, SharedPack

if TYPE_CHECKING:
    from tasks.weights.broadcast import Meeting
    from tasks.weights.packs import Spec
    from tasks.weights.sketches import Sketches

SearchFor = Callable[[AsyncSearcher, Question], AsyncSearcher]
"""What one question searches instead of the index, made of the search in the index. Is pickled to other processes."""

LIVE = "live"
"""Retrieval from the index as it is."""


@dataclass(frozen=True)
class RolloutSetup:
    """What every worker is made of. ``retrievals``: ways of retrieval besides `LIVE`, by name."""

    model: str
    tokenizer: str
    index: str
    agent: AgentSettings
    engine: EngineRuntime
    retrievals: Mapping[str, SearchFor] = field(default_factory=dict)
    sleeps: bool = False
    """Whether engines give the memory of their GPUs back where they are told to."""


def capacity(engine: EngineRuntime) -> int:
    """How many trajectories one worker runs at one time."""
    return engine.in_flight * max(1, len(engine.urls))


class Usage(NamedTuple):
    """What a worker's time was spent on since it was started: seconds of the clock, and of all its trajectories."""

    alive: float
    sampling: float
    """Of the clock: while its engine was at work."""
    rolling: float
    """Of trajectories: from begin to end."""
    searching: float
    """Of trajectories: waiting for search."""
    asleep: float
    """Of the clock: while its engine slept, so that ranks could use its GPU."""


class _TimedSearcher:
    """An `AsyncSearcher` that adds up how long it was waited for."""

    def __init__(self, searcher: AsyncSearcher) -> None:
        self._searcher, self.seconds = searcher, 0.0

    async def search(self, query: Query, k: int) -> list[Hit]:
        began = time.perf_counter()
        try:
            return await self._searcher.search(query, k)
        finally:
            self.seconds += time.perf_counter() - began


class EngineEnded(JobLost):
    """The engine of this worker will never answer again; another worker's may, and one of the job started again."""


class RolloutWorker:
    """Used from one event loop. Runs `capacity` trajectories at one time; more wait for their turn."""

    replaced = 0
    """A worker does not replace itself."""

    def __init__(
        self,
        setup: RolloutSetup,
        tokenizer: AgentTokenizer,
        engine: ModelEngine,
        searcher: AsyncSearcher,
        closing: AsyncExitStack,
    ) -> None:
        self._setup, self._tokenizer, self._engine = setup, tokenizer, engine
        self._searcher, self._closing = _TimedSearcher(searcher), closing
        self._began, self._rolling = time.perf_counter(), 0.0
        self._room = asyncio.Semaphore(capacity(setup.engine))
        self._version = 0

    @classmethod
    async def open(cls, setup: RolloutSetup, open_searcher: Callable[[], BatchingSearcher]) -> "RolloutWorker":
        """Start the engine, then search. Whether the model fits was asked before (admission.py).

        Raises:
            BadInput: the model, the tokenizer or the index is not there.
            RunFailed: vLLM does not start, or samples from another distribution than its model's.
        """
        tokenizer = AgentTokenizer.load(setup.tokenizer)
        async with AsyncExitStack() as closing:
            engine = await closing.enter_async_context(
                open_engine(setup.model, setup.engine, setup.agent.max_tokens, sleeps=setup.sleeps)
            )
            if setup.engine.loads_models:  # servers were asked before
                await refuse_biased_engine(engine, tokenizer)
            # After the engine: what vLLM imports installs a handler of SIGSEGV, which must not replace Java's.
            searcher = open_searcher()
            closing.callback(searcher.close)
            return cls(setup, tokenizer, engine, searcher, closing.pop_all())

    async def roll(
        self, rollout: Rollout, sampling: TurnSampling, *, label: str, model: str, retrieval: str = LIVE
    ) -> Trajectory:
        """See `tasks.rollouts.pool.RolloutPool.roll`.

        Raises:
            EngineEnded: the engine has failed for good.
        """
        async with self._room:
            began = time.perf_counter()
            trajectory = await run_trajectory(
                rollout.question,
                engine=self._engine,
                searcher=self._searcher_for(rollout.question, retrieval),
                tokenizer=self._tokenizer,
                agent=self._setup.agent,
                sampling=sampling,
                rollout=rollout.number,
                label=label,
                model=model,
            )
            self._rolling += time.perf_counter() - began
        if trajectory.end_reason == EndReason.ENGINE_FAILED and self._engine.failure is not None:
            raise EngineEnded(f"{self._engine.failure}; what was answered is kept; run again to go on")
        return trajectory

    async def publish(self, weights: NewWeights) -> None:
        """See `tasks.rollouts.pool.RolloutPool.publish`."""
        await self.load(await asyncio.to_thread(weights.folder), weights.version)

    async def load(self, folder: str, version: int) -> None:
        """Take the weights of a folder.

        Raises:
            BadInput: there are none.
            EngineEnded: the engine had ended before.
            RunFailed: the engine cannot take these.
        """
        if not any(Path(folder).glob("*.safetensors")):
            raise BadInput(f"{folder}: no weights there (safetensors)")
        if self._engine.failure is not None:
            raise EngineEnded(str(self._engine.failure))
        try:
            await asyncio.to_thread(self._engine.load_weights, folder, version)
        except EngineFailed as error:
            raise RunFailed(f"{folder}: the engine cannot take these weights: {error}") from error
        self._version = version

    async def meet(self, meeting: "Meeting", first: int) -> None:
        """See `tasks.engines.interface.ModelEngine.meet`.

        Raises:
            EngineEnded: the engine had ended before.
            RunFailed: not all members met.
        """
        try:
            await asyncio.to_thread(self._engine.meet, meeting, first)
        except EngineFailed as error:
            raise (EngineEnded if self._engine.failure else RunFailed)(str(error)) from error

    async def receive(self, specs: "list[Spec]", version: int) -> None:
        """Take the weights that are broadcast in the group.

        Raises:
            EngineEnded: they did not come, or not whole, so that the engine is of no use any more.
        """
        try:
            await asyncio.to_thread(self._engine.receive_weights, specs, version)
        except EngineFailed as error:
            raise EngineEnded(f"weights that were broadcast did not come whole: {error}") from error
        self._version = version

    async def take(self, pack: SharedPack, version: int) -> None:
        """See `tasks.rollouts.pool.RolloutPool.take`.

        Raises:
            EngineEnded: the engine could not take it, and is of no use any more.
        """
        try:
            await asyncio.to_thread(self._engine.take, pack, version)
        except EngineFailed as error:
            raise EngineEnded(f"weights in shared memory were not taken: {error}") from error
        if pack.is_last:
            self._version = version

    async def sleep(self) -> None:
        """See `tasks.rollouts.pool.RolloutPool.sleep`."""
        try:
            await asyncio.to_thread(self._engine.sleep)
        except EngineFailed as error:
            raise EngineEnded(f"the engine does not give its memory back: {error}") from error

    async def versions(self) -> list[int]:
        """See `tasks.rollouts.pool.RolloutPool.versions`."""
        return [self._version]

    async def usage(self) -> list[Usage]:
        """See `tasks.rollouts.pool.RolloutPool.usage`."""
        alive = time.perf_counter() - self._began
        engine = self._engine
        return [Usage(alive, engine.busy_seconds, self._rolling, self._searcher.seconds, engine.asleep_seconds)]

    async def score(self, token_ids: Sequence[int]) -> list[list[float]]:
        """See `tasks.rollouts.pool.RolloutPool.score`."""
        try:
            return [await asyncio.to_thread(self._engine.score, token_ids)]
        except EngineFailed as error:
            raise EngineEnded(f"the engine does not score a text: {error}") from error

    async def sketches(self) -> "list[list[Sketches]]":
        """See `tasks.rollouts.pool.RolloutPool.sketches`."""
        try:
            return [await asyncio.to_thread(self._engine.sketches)]
        except EngineFailed as error:
            raise EngineEnded(f"the engine does not show its weights: {error}") from error

    async def close(self) -> None:
        """End the engine and search; trajectories under way fail."""
        await self._closing.aclose()

    def _searcher_for(self, question: Question, retrieval: str) -> AsyncSearcher:
        return self._searcher if retrieval == LIVE else self._setup.retrievals[retrieval](self._searcher, question)
