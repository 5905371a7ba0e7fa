"""A rollout worker runs whole trajectories with its engine, tokenizer and search.

In the job's own process it is the whole pool (`tasks.rollouts.pool.RolloutPool`); in a Ray actor it is one of many
(worker_actor.py).
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
from schemas.protocol_settings import ProtocolSettings
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
"""Builds the searcher of one question from the searcher of the index. It is pickled to other processes."""

LIVE = "live"
"""The name of unchanged retrieval from the index."""


@dataclass(frozen=True)
class RolloutSetup:
    """The settings of every worker. ``retrievals`` are the retrieval methods besides `LIVE`, by name."""

    model: str
    tokenizer: str
    index: str
    agent: AgentSettings
    engine: EngineRuntime
    retrievals: Mapping[str, SearchFor] = field(default_factory=dict)
    sleeps: bool = False
    """Whether engines can release their GPU memory on request (`RolloutPool.sleep`)."""
    protocols: Sequence[ProtocolSettings] = ()
    """The protocols of rollouts besides the pipeline's own (`TurnSampling.protocol`)."""
    has_own_protocol: bool = True
    """Whether there are rollouts in the pipeline's own protocol, so that the tokenizer needs its tags."""

    @property
    def max_tokens(self) -> int:
        """Tokens of the longest text."""
        others = [protocol.limited(self.agent).max_tokens for protocol in self.protocols]
        return max([self.agent.max_tokens, *others] if self.has_own_protocol else others)


def capacity(engine: EngineRuntime) -> int:
    """The maximum number of trajectories that one worker runs at once."""
    return engine.in_flight * max(1, len(engine.urls))


class Usage(NamedTuple):
    """A worker's use of time since it was started, in seconds: wall-clock time, or the sum over its trajectories."""

    alive: float
    """Wall-clock time since the start."""
    sampling: float
    """Wall-clock time in which the engine was sampling."""
    rolling: float
    """Sum over trajectories: from beginning to end."""
    searching: float
    """Sum over trajectories: waiting for search."""
    asleep: float
    """Wall-clock time in which the engine slept, so that ranks could use its GPU."""


class _TimedSearcher:
    """An `AsyncSearcher` that sums the time that callers waited for it."""

    def __init__(self, searcher: AsyncSearcher) -> None:
        self._searcher, self.seconds = searcher, 0.0

    async def search(self, query: Query, k: int) -> list[Hit]:
        began = time.perf_counter()
        try:
            return await self._searcher.search(query, k)
        finally:
            self.seconds += time.perf_counter() - began


class EngineEnded(JobLost):
    """The engine of this worker has failed for good. Another worker, or a restart of the job, may still succeed."""


class RolloutWorker:
    """Used from one event loop. Runs at most `capacity` trajectories at once; further ones wait."""

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
        # It bounds trajectories and not requests: a trajectory that waits for search keeps its place, so that the
        # number of contexts that the engine's prefix cache has to hold is bounded, too.
        self._room = asyncio.Semaphore(capacity(setup.engine))
        self._version = 0

    @classmethod
    async def open(cls, setup: RolloutSetup, open_searcher: Callable[[], BatchingSearcher]) -> "RolloutWorker":
        """Start the engine, then search. That the model fits was checked before (admission.py).

        Raises:
            BadInput: the model, the tokenizer or the index does not exist.
            RunFailed: vLLM does not start, or does not sample from its model's distribution.
        """
        tokenizer = AgentTokenizer.load(setup.tokenizer, needs_tags=setup.has_own_protocol)
        async with AsyncExitStack() as closing:
            engine = await closing.enter_async_context(
                open_engine(setup.model, setup.engine, setup.max_tokens, sleeps=setup.sleeps)
            )
            if setup.engine.loads_models:  # `start_pool` has checked remote servers
                await refuse_biased_engine(engine, tokenizer)
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
            raise EngineEnded(f"{self._engine.failure}; finished rollouts are kept; run again to continue")
        return trajectory

    async def publish(self, weights: NewWeights) -> None:
        """See `tasks.rollouts.pool.RolloutPool.publish`."""
        await self.load(await asyncio.to_thread(weights.folder), weights.version)

    async def load(self, folder: str, version: int) -> None:
        """Load the weights of a folder.

        Raises:
            BadInput: the folder has no weights.
            EngineEnded: the engine had ended before.
            RunFailed: the engine cannot load these weights.
        """
        if not any(Path(folder).glob("*.safetensors")):
            raise BadInput(f"{folder}: no weights (*.safetensors) in this folder")
        if self._engine.failure is not None:
            raise EngineEnded(str(self._engine.failure))
        try:
            await asyncio.to_thread(self._engine.load_weights, folder, version)
        except EngineFailed as error:
            raise RunFailed(f"{folder}: the engine cannot load these weights: {error}") from error
        self._version = version

    async def meet(self, meeting: "Meeting", first: int) -> None:
        """See `tasks.engines.interface.ModelEngine.meet`.

        Raises:
            EngineEnded: the engine had ended before.
            RunFailed: some members did not join.
        """
        try:
            await asyncio.to_thread(self._engine.meet, meeting, first)
        except EngineFailed as error:
            raise (EngineEnded if self._engine.failure else RunFailed)(str(error)) from error

    async def receive(self, specs: "list[Spec]", version: int) -> None:
        """Receive the weights that are broadcast in the group.

        Raises:
            EngineEnded: they did not arrive, or not completely. The engine's weights are then undefined, so it is lost.
        """
        try:
            await asyncio.to_thread(self._engine.receive_weights, specs, version)
        except EngineFailed as error:
            raise EngineEnded(f"broadcast weights did not arrive completely: {error}") from error
        self._version = version

    async def take(self, pack: SharedPack, version: int) -> None:
        """See `tasks.rollouts.pool.RolloutPool.take`.

        Raises:
            EngineEnded: the engine could not load it. Its weights are then undefined, so it is lost.
        """
        try:
            await asyncio.to_thread(self._engine.take, pack, version)
        except EngineFailed as error:
            raise EngineEnded(f"weights in shared memory were not loaded: {error}") from error
        if pack.is_last:
            self._version = version

    async def sleep(self) -> None:
        """See `tasks.rollouts.pool.RolloutPool.sleep`."""
        try:
            await asyncio.to_thread(self._engine.sleep)
        except EngineFailed as error:
            raise EngineEnded(f"the engine does not release its memory: {error}") from error

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
            raise EngineEnded(f"the engine does not return sketches of its weights: {error}") from error

    async def close(self) -> None:
        """Stop the engine and search. Running trajectories fail."""
        await self._closing.aclose()

    def _searcher_for(self, question: Question, retrieval: str) -> AsyncSearcher:
        return self._searcher if retrieval == LIVE else self._setup.retrievals[retrieval](self._searcher, question)
