"""The interface of a rollout pool: one worker in this process, or many workers in a Ray cluster."""

from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Protocol

from retrieval_index.client import BatchingSearcher, RemoteSearcher
from retrieval_index.folder import read_info
from retrieval_index.opening import open_index
from retrieval_index.replicas import ServicesSearcher
from schemas.errors import BadInput
from schemas.records import Trajectory
from schemas.runtime import EngineRuntime, PlacementRuntime
from tasks.agent.environment import TurnSampling
from tasks.agent.tokenizer import AgentTokenizer
from tasks.capacity.devices import this_machine
from tasks.requests.rollout_requests import Rollout
from tasks.rollouts import remote_vocabulary
from tasks.rollouts.admission import refuse_engines_without_room, refuse_other_vocabulary
from tasks.rollouts.sampler import refuse_biased_servers
from tasks.rollouts.spots import Spot
from tasks.rollouts.worker import LIVE, RolloutSetup, RolloutWorker, Usage, capacity
from tasks.weights.new_weights import NewWeights, SharedPack

if TYPE_CHECKING:
    from tasks.weights.sketches import Sketches


class RolloutPool(Protocol):
    """Engines with the same weights, and search.

    All calls come from one event loop, so that an implementation needs no locks between threads.
    """

    @property
    def replaced(self) -> int:
        """The number of workers that died and were replaced so far."""

    async def roll(
        self, rollout: Rollout, sampling: TurnSampling, *, label: str, model: str, retrieval: str = LIVE
    ) -> Trajectory:
        """One trajectory, not judged yet. Waits while every engine is full. Samples depend on the seed alone.

        If a worker dies, its trajectories are started again on another worker. Cancelling the call ends the trajectory.
        An end reason in `requests.FAILED` means that the engine or the index could not answer.

        Raises:
            RunFailed: no engine is left that could answer.
        """

    async def publish(self, weights: NewWeights) -> None:
        """Give the new weights to every engine that has not taken them yet. No trajectory begins before all have them.

        Sleeping engines wake up. Running trajectories continue with the new weights. The weights must stay unchanged,
        in memory or in their folder, until the next call, because a replaced engine loads them from there.

        Raises:
            BadInput: the folder has no weights, or the engines are servers by address.
            RunFailed: an engine cannot load them.
        """

    async def take(self, pack: SharedPack, version: int) -> None:
        """Load one pack of new weights into the engines; the packs come in order. `publish` serves engines that fail.

        No trajectory may run between the first pack and `publish`, since the weights are incomplete.
        """

    async def sleep(self) -> None:
        """Release the engines' GPU memory until they get new weights. No trajectory may be running.

        Raises:
            RunFailed: no engine is left.
        """

    async def versions(self) -> list[int]:
        """The version of each engine's weights: 0 for the model it was started with, else a published version."""

    async def usage(self) -> list[Usage]:
        """The usage of each engine's time since it was started."""

    async def score(self, token_ids: Sequence[int]) -> list[list[float]]:
        """For each engine, the log probability of every token except the first, given the tokens before it.

        Raises:
            RunFailed: an engine does not answer.
        """

    async def sketches(self) -> "list[list[Sketches]]":
        """For each engine and each of its processes, sketches of its layers' outputs (tasks/weights/sketches.py).

        Raises:
            RunFailed: an engine does not answer.
        """

    async def close(self) -> None:
        """Stop engines and search. Running trajectories fail."""


def in_flight(engine: EngineRuntime, placement: PlacementRuntime) -> int:
    """The maximum number of trajectories that a pool of this placement runs at once."""
    return capacity(engine) * (placement.engines if placement.is_in_cluster else 1)


async def start_pool(setup: RolloutSetup, placement: PlacementRuntime, spots: Sequence[Spot] = ()) -> RolloutPool:
    """Start the pool of a placement; the caller closes it. Engines run in ``spots`` (beside ranks) if given.

    Raises:
        BadInput: model, tokenizer or index is missing; they do not match each other or fit the machines; a server is
            unreachable or does not sample from its model's distribution; or the cluster is too small for the placement.
            No engine was started then.
        RunFailed: an engine does not start.
    """
    tokenizer = AgentTokenizer.load(setup.tokenizer, needs_tags=setup.has_own_protocol)
    if setup.engine.loads_models:
        refuse_other_vocabulary(setup.model, tokenizer)
    if placement.search_urls:
        with closing(ServicesSearcher(placement.search_urls)) as services:
            services.check_index(read_info(setup.index).digest)
    if not placement.is_in_cluster:
        if setup.engine.loads_models:
            refuse_engines_without_room(setup, placement, [this_machine()])
        else:
            remote_vocabulary.refuse_other_vocabulary(setup.engine.urls, tokenizer)
            await refuse_biased_servers(setup.engine.urls, tokenizer)
        return await RolloutWorker.open(setup, lambda: _searcher(setup.index, placement.search_urls))
    if not setup.engine.loads_models:
        raise BadInput(
            "runtime.engine.kind remote: the job's own process asks the servers: "
            "runtime.placement.layout must be together"
        )
    from tasks.rollouts.cluster_pool import WorkerPool

    return await WorkerPool.start(setup, placement, spots)


def _searcher(index: str, urls: Sequence[str]) -> BatchingSearcher:
    return RemoteSearcher(urls) if urls else BatchingSearcher(open_index(index))
