"""What the controller of reinforcement learning, rank 0, asks of engines and search, wherever they live."""

import asyncio
import threading
from collections.abc import Coroutine, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from schemas.errors import BadInput
from schemas.jobs import DapoJob
from schemas.records import Question, Trajectory
from tasks.agent.environment import TurnSampling
from tasks.requests.rollout_requests import Rollout
from tasks.rollouts.pool import start_pool
from tasks.rollouts.spots import Spot
from tasks.rollouts.worker import RolloutSetup, Usage
from tasks.weights.new_weights import NewWeights, SharedPack

if TYPE_CHECKING:
    from tasks.weights.sketches import Sketches

Result = TypeVar("Result")


class Rollouts(Protocol):
    """Engines of one model, which are given new weights as training goes on, and what they search in."""

    async def roll(self, question: Question, rollout: int, seed: int) -> Trajectory:
        """The agent's trajectory number ``rollout`` of a question. Many may be under way, in one event loop.

        One that engine or search did not answer ends with a reason that makes it no signal.

        Raises:
            RunFailed: there is no engine any more that could answer.
        """

    def publish(self, weights: NewWeights) -> None:
        """Every engine takes the weights, if it has not yet; they stay as they are until the next call.

        Raises:
            RunFailed: one does not.
        """

    def take(self, pack: SharedPack, version: int) -> None:
        """Engines that live where ranks do take some of the weights, before `publish`."""

    def sleep(self) -> None:
        """Engines give the memory of their GPUs back until they get new weights.

        Raises:
            RunFailed: there is none any more that could.
        """

    def score(self, token_ids: list[int]) -> list[list[float]]:
        """By each engine, the log probability of every token but the first given those before it."""

    def sketches(self) -> "list[list[Sketches]]":
        """Of each engine, by each of its processes: what its layers make of a fixed input (tasks.rollouts.sketches)."""

    def usage(self) -> list[Usage]:
        """Of each engine, what its time was spent on since it was started."""

    def close(self) -> None:
        """End the engines and the search."""


class PooledRollouts:
    """A pool of rollout workers, in this process or in a Ray cluster, on an event loop in a thread of its own.

    In this process, closing it ends all torch.distributed groups.
    """

    def __init__(self, job: DapoJob, spots: Sequence[Spot] = ()) -> None:
        """Start engines and search where the job places them; ``spots``: of all ranks, where engines live beside them.

        Raises:
            BadInput: they cannot start from what the job names; or an engine in this process beside other ranks, whose
                group vLLM's would be mistaken for.
            RunFailed: an engine does not start.
        """
        if not job.placement.is_in_cluster and job.ranks != 1:
            raise BadInput(f"DAPO with its engine in the trainer's process runs on one rank, not on {job.ranks}")
        self._temperature = job.settings.temperature
        setup = RolloutSetup(
            model=job.start,
            tokenizer=job.tokenizer,
            index=job.index,
            agent=job.agent,
            engine=job.engine,
            sleeps=job.placement.takes_turns,
        )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="rollouts", daemon=True)
        self._thread.start()
        try:
            self._pool = self._wait(start_pool(setup, job.placement, spots))
        except BaseException:
            self._end_loop()
            raise

    async def roll(self, question: Question, rollout: int, seed: int) -> Trajectory:
        sampling = TurnSampling(self._temperature, seed=seed)
        rolling = self._pool.roll(Rollout(question, rollout), sampling, label="dapo", model="dapo")
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(rolling, self._loop))

    def publish(self, weights: NewWeights) -> None:
        self._wait(self._pool.publish(weights))

    def take(self, pack: SharedPack, version: int) -> None:
        self._wait(self._pool.take(pack, version))

    def sleep(self) -> None:
        self._wait(self._pool.sleep())

    def score(self, token_ids: list[int]) -> list[list[float]]:
        return self._wait(self._pool.score(token_ids))

    def sketches(self) -> "list[list[Sketches]]":
        return self._wait(self._pool.sketches())

    def usage(self) -> list[Usage]:
        return self._wait(self._pool.usage())

    def close(self) -> None:
        self._wait(self._pool.close())
        self._end_loop()

    def _wait(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _end_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
