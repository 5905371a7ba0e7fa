"""The interface of rank 0, the controller of reinforcement learning, to engines and search in any layout."""

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
    """Engines of one model, whose weights are updated during the training, and the index that they search."""

    async def roll(self, question: Question, rollout: int, seed: int) -> Trajectory:
        """The agent's trajectory number ``rollout`` of a question. Many may run concurrently in one event loop.

        If the engine or search fails, the trajectory has an end reason that excludes it from training.

        Raises:
            RunFailed: no engine is left.
        """

    def publish(self, weights: NewWeights) -> None:
        """Give the weights to every engine that does not have them yet. They must stay unchanged until the next call.

        Raises:
            RunFailed: an engine did not take them.
        """

    def take(self, pack: SharedPack, version: int) -> None:
        """Give a pack of the weights to engines that share GPUs with ranks, before `publish`."""

    def sleep(self) -> None:
        """Engines release the memory of their GPUs until they get new weights.

        Raises:
            RunFailed: no engine is left.
        """

    def score(self, token_ids: list[int]) -> list[list[float]]:
        """For each engine, the log probability of every token except the first, given the tokens before it."""

    def sketches(self) -> "list[list[Sketches]]":
        """For each engine and each of its processes: sketches of its layers' outputs (tasks.weights.sketches)."""

    def usage(self) -> list[Usage]:
        """For each engine, how its time was spent since its start."""

    def close(self) -> None:
        """End the engines and the search."""


class PooledRollouts:
    """A pool of rollout workers, in this process or in a Ray cluster, on an event loop in its own thread.

    In its own thread the loop continues while the trainer's thread works. If the engine is in this process, closing the
    pool ends all torch.distributed groups.
    """

    def __init__(self, job: DapoJob, spots: Sequence[Spot] = ()) -> None:
        """Start engines and search where the job places them.

        ``spots`` are the devices of all ranks, in the layout in which engines share them.

        Raises:
            BadInput: the job's settings cannot be started; or the engine would be in this process with several ranks:
                vLLM would then use their process group as its own.
            RunFailed: an engine does not start.
        """
        if not job.placement.is_in_cluster and job.ranks != 1:
            raise BadInput(
                f"runtime.placement.layout together runs DAPO on one rank, not on {job.ranks}: set the job's ranks to "
                "1, or layout to distributed or shared"
            )
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
        except BaseException:  # also KeyboardInterrupt: the running loop would keep its thread
            self._end_loop()
            raise

    async def roll(self, question: Question, rollout: int, seed: int) -> Trajectory:
        sampling = TurnSampling(self._temperature, seed=seed)
        rolling = self._pool.roll(Rollout(question, rollout), sampling, label="dapo", model="dapo")
        # The caller awaits on its own event loop; the pool's clients belong to the pool's loop.
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
        self._thread.join()  # a loop that still runs cannot be closed
        self._loop.close()
