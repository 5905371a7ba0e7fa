"""Rollout workers as Ray actors, each with its own engine; cluster_pool.py assigns the rollouts.

A call to a worker is a whole trajectory, so that the driver is no bottleneck with thousands of running trajectories.
Workers query the searchers (searchers.py) directly.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import ray
from ray.actor import ActorHandle
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from retrieval_index.client import BatchingSearcher, RemoteSearcher
from schemas.records import Trajectory
from schemas.runtime import EngineRuntime, PlacementRuntime
from tasks.agent.environment import TurnSampling
from tasks.capacity.ray_cluster import Need
from tasks.requests.rollout_requests import Rollout
from tasks.rollouts.searchers import SearcherClient
from tasks.rollouts.spots import Spot
from tasks.rollouts.worker import RolloutSetup, RolloutWorker, Usage, capacity
from tasks.weights.new_weights import SharedPack

if TYPE_CHECKING:
    from tasks.weights.broadcast import Meeting
    from tasks.weights.packs import Spec
    from tasks.weights.sketches import Sketches


class WorkerActor:
    """The actor's side: a `RolloutWorker` after `open`."""

    _worker: RolloutWorker

    async def open(
        self,
        setup: RolloutSetup,
        searchers: Sequence[ActorHandle[Any]],
        services: Sequence[str],
        weights: tuple[str, int] | None,
    ) -> None:
        """Start the engine. It searches with ``services`` (addresses) if there are any, else with ``searchers``.

        ``weights``, a folder and a version, replace the weights of the setup's model.
        """

        def search() -> BatchingSearcher:
            if services:
                return RemoteSearcher(services)
            return BatchingSearcher(SearcherClient(searchers), workers=len(searchers))

        self._worker = await RolloutWorker.open(setup, search)
        if weights is not None:
            await self._worker.load(*weights)

    async def roll(
        self, rollout: Rollout, sampling: TurnSampling, *, label: str, model: str, retrieval: str
    ) -> Trajectory:
        return await self._worker.roll(rollout, sampling, label=label, model=model, retrieval=retrieval)

    async def load(self, folder: str, version: int) -> None:
        await self._worker.load(folder, version)

    async def meet(self, meeting: "Meeting", first: int) -> None:
        await self._worker.meet(meeting, first)

    async def receive(self, specs: "list[Spec]", version: int) -> None:
        await self._worker.receive(specs, version)

    async def take(self, pack: SharedPack, version: int) -> None:
        await self._worker.take(pack, version)

    async def sleep(self) -> None:
        await self._worker.sleep()

    async def versions(self) -> list[int]:
        return await self._worker.versions()

    async def usage(self) -> list[Usage]:
        return await self._worker.usage()

    async def score(self, token_ids: Sequence[int]) -> list[list[float]]:
        return await self._worker.score(token_ids)

    async def sketches(self) -> "list[list[Sketches]]":
        return await self._worker.sketches()

    async def close(self) -> None:
        await self._worker.close()


def need_of(engine: EngineRuntime, placement: PlacementRuntime) -> Need:
    """The resources of the engines. All processes of one engine are on one machine: they communicate in every layer,
    which is too much for a network."""
    processes = engine.tensor_parallel
    cpus, gpus = processes * placement.cpus_per_engine, processes * placement.gpus_per_engine
    return Need("engine", placement.engines, cpus, gpus)


def start_worker(setup: RolloutSetup, placement: PlacementRuntime, spots: Sequence[Spot] = ()) -> ActorHandle[Any]:
    """Start an actor, whose `open` is still to be called. The caller ends it.

    With ``spots``, one for each of the engine's processes, it runs on the resources reserved for the ranks there;
    otherwise Ray schedules it anywhere.
    """
    # Without it, Ray would set one thread for the processes of an actor, whatever the settings say.
    environment = {"OMP_NUM_THREADS": str(setup.engine.threads)}
    if spots:
        where: dict[str, Any] = {"scheduling_strategy": NodeAffinitySchedulingStrategy(spots[0].node, soft=False)}
        where |= {"num_cpus": 0, "num_gpus": 0}
        gpus = [spot.gpu for spot in spots if spot.gpu is not None]
        environment |= {"CUDA_VISIBLE_DEVICES": ",".join(gpus)}
    else:
        need = need_of(setup.engine, placement)
        where = {"num_cpus": need.cpus, "num_gpus": need.gpus}
    actor: Any = ray.remote(WorkerActor).options(
        **where,
        # The trajectories, and some more for the pool's other calls, which must not queue behind trajectories.
        max_concurrency=capacity(setup.engine) + 8,
        runtime_env={"env_vars": environment},
    )
    handle: ActorHandle[Any] = actor.remote()
    return handle
