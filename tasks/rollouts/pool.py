"""Where rollouts are run: in this process, or by many workers in a Ray cluster, behind one interface."""

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
    """Engines with the same weights, and search. Used from one event loop."""

    @property
    def replaced(self) -> int:
        """Workers that died and were replaced so far."""

    async def roll(
        self, rollout: Rollout, sampling: TurnSampling, *, label: str, model: str, retrieval: str = LIVE
    ) -> Trajectory:
        """One trajectory, not judged yet; waits while every engine is full. What is sampled is the seed's alone.

        A worker's death is made up for: its trajectories are begun again elsewhere. Cancelling the call ends the
        trajectory. An end as `requests.FAILED` names it says that the engine or the index could not answer.

        Raises:
            RunFailed: there is no engine any more that could answer.
        """

    async def publish(self, weights: NewWeights) -> None:
        """Give every engine new weights that has not taken them yet; no trajectory begins before all have them.

        Engines that slept are awake then. Trajectories under way go on under the new weights. These stay as they are,
        in memory or in their folder, until the next call: an engine that is replaced takes them from there.

        Raises:
            BadInput: there are no weights, or the engines are servers by address.
            RunFailed: an engine cannot take them.
        """

    async def take(self, pack: SharedPack, version: int) -> None:
        """Let engines take a pack of new weights, all packs in turn; an engine that cannot is left to `publish`.

        Between the first pack and `publish` nothing is sampled.
        """

    async def sleep(self) -> None:
        """Engines give the memory of their GPUs back until they get new weights; no trajectory is under way.

        Raises:
            RunFailed: there is no engine any more that could.
        """

    async def versions(self) -> list[int]:
        """The version that each engine runs: 0, the model it was started with, or one that was published."""

    async def usage(self) -> list[Usage]:
        """Of each engine, what its time was spent on since it was started."""

    async def score(self, token_ids: Sequence[int]) -> list[list[float]]:
        """Of each engine, the log probability of every token but the first given those before it.

        Raises:
            RunFailed: an engine does not tell.
        """

    async def sketches(self) -> "list[list[Sketches]]":
        """Of each engine, by each of its processes: what its layers make of a fixed input (sketches.py).

        Raises:
            RunFailed: an engine does not tell.
        """

    async def close(self) -> None:
        """End engines and search; trajectories under way fail."""


def in_flight(engine: EngineRuntime, placement: PlacementRuntime) -> int:
    """How many trajectories such a pool runs at one time."""
    return capacity(engine) * (placement.engines if placement.is_in_cluster else 1)


async def start_pool(setup: RolloutSetup, placement: PlacementRuntime, spots: Sequence[Spot] = ()) -> RolloutPool:
    """The pool of a placement, ready; its owner closes it. Engines live in ``spots``, those of ranks, if given.

    Raises:
        BadInput: model, tokenizer or index is not there, they do not fit each other or the machines, a server is out of
            reach or samples in a way of its own, or the cluster cannot hold the placement. But for a server or an index
            nothing was started.
        RunFailed: an engine does not start.
    """
    tokenizer = AgentTokenizer.load(setup.tokenizer)
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
