"""Real engines and indexes in Ray actors: every trajectory comes back once, whoever is killed under way."""

import asyncio
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import ray
from safetensors.torch import load_file

from retrieval_index.folder import read_info
from retrieval_index.opening import open_index
from retrieval_index.service import create_app
from schemas.errors import BadInput, RunFailed
from schemas.records import Trajectory
from schemas.runtime import EngineRuntime, PlacementRuntime
from tasks.agent.environment import TurnSampling
from tasks.requests.rollout_requests import Rollout
from tasks.rollouts import cluster_pool
from tasks.rollouts.broadcasting import Broadcaster
from tasks.rollouts.cluster_pool import WorkerPool
from tasks.rollouts.pool import RolloutPool, in_flight, start_pool
from tasks.rollouts.worker import LIVE, EngineEnded
from tasks.weights.new_weights import NewWeights
from tests.support.app_server import serving_app
from tests.support.ground import Ground, make_ground, probe_of, questions
from tests.support.ray_jobs import processes_of

pytestmark = pytest.mark.slow

DISTRIBUTED = PlacementRuntime(layout="distributed", engines=2, searchers=2, restarts=1)


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    return make_ground(tmp_path_factory.mktemp("ground"))


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def pool(ground: Ground, loop: asyncio.Runner) -> Iterator[WorkerPool]:
    started = loop.run(start_pool(ground.setup, DISTRIBUTED))
    assert isinstance(started, WorkerPool)
    yield started
    loop.run(started.close())
    ray.shutdown()


async def _roll_all(pool: RolloutPool, count: int, temperature: float = 1.0, retrieval: str = LIVE) -> list[Trajectory]:
    rolls = (
        pool.roll(
            Rollout(question, 0),
            TurnSampling(temperature, seed=number),
            label="test",
            model="test",
            retrieval=retrieval,
        )
        for number, question in enumerate(questions(count))
    )
    return await asyncio.gather(*rolls)


async def _roll_and_kill(pool: WorkerPool, victim: Callable[[], Any], *, restarted: bool) -> list[Trajectory]:
    """Kill an actor as soon as trajectories are under way everywhere."""
    await pool.versions()  # every seat has its worker
    rolling = asyncio.create_task(_roll_all(pool, 200))
    while not all(seat.open for seat in pool._seats):
        assert not rolling.done(), "all was rolled before every worker had its part"
        await asyncio.sleep(0.001)
    ray.kill(victim(), no_restart=not restarted)
    return await rolling


def _told(trajectories: list[Trajectory]) -> list[tuple[Any, ...]]:
    return [
        (row.trajectory_id, row.end_reason, row.answer, row.searches, [segment.token_ids for segment in row.segments])
        for row in trajectories
    ]


def test_trajectories_are_those_of_the_pool_in_process(pool, ground, loop):
    ways: list[dict[str, Any]] = [
        {"count": 10, "temperature": 0.0},
        {"count": 60},
        {"count": 20, "retrieval": "random"},
    ]

    async def in_process() -> list[list[Trajectory]]:
        here = await start_pool(ground.setup, PlacementRuntime())
        try:
            return [await _roll_all(here, **way) for way in ways]
        finally:
            await here.close()

    expected = loop.run(in_process())
    _, live, unrelated = ([row.searches[0].passage_ids for row in rows] for rows in expected)
    assert sorted({tuple(shown) for shown in live}) == [("0-0",), ("1-0",)]
    assert all(shown != other for shown, other in zip(live, unrelated, strict=False))
    for way, rows in zip(ways, expected, strict=True):
        assert _told(loop.run(_roll_all(pool, **way))) == _told(rows)


def test_search_services_take_the_place_of_searchers(pool, ground, loop):
    service = create_app(open_index(ground.setup.index), read_info(ground.setup.index).digest)
    other = create_app(open_index(ground.setup.index), "of another index")

    async def by_services(*urls: str) -> tuple[int, list[Trajectory]]:
        placement = PlacementRuntime(layout="distributed", cpus_per_engine=0, search_urls=list(urls))
        started = await start_pool(ground.setup, placement)
        assert isinstance(started, WorkerPool)
        try:
            return len(started._searchers), await _roll_all(started, 10, temperature=0.0)
        finally:
            await started.close()

    with serving_app(service) as url, serving_app(other) as another:
        searchers, rows = loop.run(by_services(url))
        with pytest.raises(BadInput, match="searches another index"):
            loop.run(by_services(url, another))
    assert searchers == 0
    assert _told(rows) == _told(loop.run(_roll_all(pool, 10, temperature=0.0)))


def test_a_job_still_hears_that_it_is_told_to_stop(pool):
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL, "as before Ray was joined"


def test_a_searcher_that_is_killed_is_made_up_for(pool, loop):
    rows = loop.run(_roll_and_kill(pool, lambda: pool._searchers[0], restarted=True))
    assert [row.question_id for row in rows] == [f"q{number}" for number in range(200)]
    assert {row.searches[0].outcome for row in rows} == {"found"}


def test_weights_reach_every_worker_and_one_that_replaces_a_killed_one(pool, ground, loop):
    before = loop.run(pool.score([1, 2, 3]))
    loop.run(pool.publish(NewWeights(ground.guesser, 1)))
    assert loop.run(pool.versions()) == [1, 1]
    scores = loop.run(pool.score([1, 2, 3]))
    assert scores[0] == pytest.approx(scores[1])
    assert scores[0] != pytest.approx(before[0])

    rows = loop.run(_roll_and_kill(pool, lambda: pool._seats[0].worker, restarted=False))
    assert [row.question_id for row in rows] == [f"q{number}" for number in range(200)]
    assert {(row.end_reason, len(row.searches)) for row in rows} == {("answered", 0)}
    assert loop.run(pool.versions()) == [1, 1]
    assert loop.run(pool.score([1, 2, 3]))[0] == pytest.approx(scores[1])
    assert pool.replaced == 1


def _broadcast(folder: str, scratch: Path, version: int, grown: float = 1.0) -> NewWeights:
    """The weights of a folder, as a trainer has them in memory; those of the head ``grown``."""
    tensors = load_file(Path(folder) / "model.safetensors")
    tensors["lm_head.weight"] = tensors["lm_head.weight"] * grown
    return NewWeights(str(scratch / str(version)), version, tensors)


def test_weights_that_are_broadcast_reach_every_worker_and_a_death_is_made_up_for_by_their_folder(
    pool, ground, loop, tmp_path, monkeypatch
):
    probe = probe_of(ground)

    async def publish_all() -> None:
        placement = DISTRIBUTED.model_copy(
            update={"weights": "broadcast", "cpus_per_engine": 0, "cpus_per_searcher": 0}
        )
        started = await start_pool(ground.setup, placement)
        assert isinstance(started, WorkerPool)
        try:
            first = await started.score(probe)
            await started.publish(_broadcast(ground.guesser, tmp_path, 1))
            second = await started.score(probe)
            assert await started.versions() == [1, 1]
            assert second[0] == pytest.approx(second[1])
            assert second[0] != pytest.approx(first[0], abs=0.1)
            assert not (tmp_path / "1").exists(), "nobody needed a folder"

            ray.kill(started._seats[0].worker)
            await started.publish(_broadcast(ground.guesser, tmp_path, 2, grown=0.1))
            third = await started.score(probe)
            assert await started.versions() == [2, 2]
            assert third[0] == pytest.approx(third[1])
            assert third[0] != pytest.approx(second[0], abs=0.1)
            assert (tmp_path / "2" / "model.safetensors").exists()

            await started.publish(_broadcast(ground.guesser, tmp_path, 3))
            assert await started.versions() == [3, 3]
            assert (await started.score(probe))[1] == pytest.approx(second[0])
            assert not (tmp_path / "3").exists(), "the new worker is in the group"
            assert started.replaced == 1

            dying, send = started._seats[1].worker, Broadcaster._send
            with monkeypatch.context() as patched:
                patched.setattr(Broadcaster, "_send", lambda *sent: (ray.kill(dying), send(*sent)))
                await started.publish(_broadcast(ground.guesser, tmp_path, 4, grown=0.1))
            assert await started.versions() == [4, 4]
            assert await started.score(probe) == [pytest.approx(third[0])] * 2
            assert started.replaced == 2

            # Whether the other engine ends over such a death depends on where the broadcast was: where it does, it is
            # replaced, and that is no death of its own, of which its seat may have no more.
            (other,) = [seat for seat in started._seats if seat.worker in started._excused]
            started._lose(other, other.worker, EngineEnded("broadcast weights did not arrive completely"))
            assert await started.versions() == [4, 4]
            assert started.replaced == 2
        finally:
            await started.close()

    loop.run(publish_all())


def test_a_cancelled_trajectory_leaves_its_place(pool, loop):
    async def cancel() -> None:
        rolling = asyncio.create_task(_roll_all(pool, 30))
        await asyncio.sleep(0.02)
        rolling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await rolling

    loop.run(cancel())
    assert [seat.open for seat in pool._seats] == [0, 0]
    assert len(loop.run(_roll_all(pool, 10))) == 10


def test_weights_that_are_not_there_are_refused_and_the_old_ones_stay(pool, loop, tmp_path):
    with pytest.raises(BadInput, match="no weights"):
        loop.run(pool.publish(NewWeights(str(tmp_path), 2)))
    assert loop.run(pool.versions()) == [1, 1]


def test_a_model_that_cannot_be_loaded_is_one_line_and_not_tried_again(pool, ground, loop, tmp_path):
    small = PlacementRuntime(layout="distributed", cpus_per_engine=0, cpus_per_searcher=0)
    with pytest.raises(BadInput, match="no model there") as refused:
        loop.run(start_pool(replace(ground.setup, model=str(tmp_path)), small))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("asked", "said"), [({"engines": 99}, "asks for 101 CPUs"), ({"gpus_per_engine": 1}, "and 2 GPUs")]
)
def test_a_placement_that_the_cluster_cannot_hold_is_refused(pool, ground, loop, asked, said):
    with pytest.raises(BadInput, match=said):
        loop.run(start_pool(ground.setup, DISTRIBUTED.model_copy(update=asked)))


def test_an_engine_that_no_machine_has_room_for_is_refused(pool, ground, loop):
    greedy = EngineRuntime(in_flight=16, threads=1, cpu_cache_gb=10**6)
    with pytest.raises(BadInput, match=r"does not fit: a process of an engine takes .* GB \(weights"):
        loop.run(
            start_pool(replace(ground.setup, engine=greedy), DISTRIBUTED.model_copy(update={"cpus_per_engine": 0}))
        )


def test_a_worker_that_hangs_is_replaced_and_deaths_of_long_ago_do_not_count(pool, ground, loop, monkeypatch):
    expected = _told(loop.run(_roll_all(pool, 20)))
    for seat in pool._seats:
        seat.deaths = [time.monotonic() - cluster_pool.RESTARTS_SECONDS - 1] * 5
    monkeypatch.setattr(cluster_pool, "ANSWER_SECONDS", 10.0)
    hanging = psutil.Process(processes_of("WorkerActor")[0])
    hanging.suspend()
    assert _told(loop.run(_roll_all(pool, 20))) == expected
    assert sorted(len(seat.deaths) for seat in pool._seats) == [5, 6]
    hanging.wait(30)


def test_a_worker_that_dies_too_often_ends_the_run(pool, loop):
    """The last test of the module: it leaves no pool behind."""
    pool._seats[0].deaths = [time.monotonic()]
    with pytest.raises(RunFailed, match=r"died 2 times within an hour \(runtime.placement.restarts is 1\)"):
        loop.run(_roll_and_kill(pool, lambda: pool._seats[0].worker, restarted=False))


def test_capacity_counts_engines_and_servers():
    servers = EngineRuntime(kind="remote", urls=["http://one", "http://two", "http://three"], in_flight=5)
    assert in_flight(servers, PlacementRuntime()) == 15
    assert in_flight(EngineRuntime(in_flight=5), DISTRIBUTED) == 10
    assert in_flight(EngineRuntime(in_flight=5), PlacementRuntime(engines=2)) == 5
