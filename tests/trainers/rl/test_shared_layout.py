"""Layout `shared`: engines live where the ranks do, by what is reserved for these, and take turns with them."""

import asyncio
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
import torch
from safetensors.torch import load_file

from schemas.errors import BadInput
from schemas.jobs import DapoJob
from schemas.records import Question
from schemas.runtime import PlacementRuntime
from schemas.training_settings import CurriculumPhase, DapoSettings, EngineeringSettings, OptimiserSettings
from tasks.ledger import storage
from tasks.rollouts.cluster_pool import WorkerPool
from tasks.rollouts.pool import start_pool
from tasks.rollouts.spots import Spot, spots_of_engines
from tasks.weights.new_weights import NewWeights, SharedPack
from tasks.weights.packs import fill, packs, room_of, specs_of
from tasks.weights.shared_buffers import Handle, OfMemory, shared_buffer
from tests.support.ground import Ground, make_ground, probe_of, questions
from tests.support.ray_jobs import local_ray, processes_of, start, wait_for

STEPS = 5
SHARED = PlacementRuntime(layout="shared", weights="ipc", engines=2, searchers=1, restarts=2)


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    return make_ground(tmp_path_factory.mktemp("ground"))


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The address of a local Ray whose processors are enough for two ranks and a searcher."""
    with local_ray(3) as address:
        yield address


async def _update(pool: WorkerPool, tensors: dict[str, torch.Tensor], scratch: Path, version: int) -> None:
    going = list(packs(specs_of(tensors), pack_bytes=100_000))
    assert len(going) > 2
    with shared_buffer(max(map(room_of, going)), torch.device("cpu")) as (place, handle):
        for pack in going:
            fill(place, {spec.name: tensors[spec.name] for spec in pack})
            await pool.take(SharedPack(pack, [handle, handle], is_last=pack is going[-1]), version)
    await pool.publish(NewWeights(str(scratch / str(version)), version, tensors))


@pytest.mark.slow
def test_engines_take_their_weights_from_beside_them_and_one_that_died_from_a_folder(ground, cluster, tmp_path):
    tensors = load_file(Path(ground.guesser) / "model.safetensors")
    node = ray.get_runtime_context().get_node_id()
    probe = probe_of(ground)

    async def updates() -> None:
        pool = await start_pool(ground.setup, SHARED, [Spot(node, "2"), Spot(node, "5")])
        assert isinstance(pool, WorkerPool)
        try:
            visible = [Path(f"/proc/{process}/environ").read_bytes() for process in processes_of("WorkerActor")]
            gpus = {part for environment in visible for part in environment.split(b"\0") if b"CUDA_VIS" in part}
            assert gpus == {b"CUDA_VISIBLE_DEVICES=2", b"CUDA_VISIBLE_DEVICES=5"}
            before = await pool.score(probe)

            await pool.sleep()
            await _update(pool, tensors, tmp_path, 1)
            after = await pool.score(probe)
            assert await pool.versions() == [1, 1]
            assert after[0] == pytest.approx(after[1])
            assert after[0] != pytest.approx(before[0], abs=0.1)
            assert not (tmp_path / "1").exists(), "nobody needed a folder"

            await pool.sleep()
            ray.kill(pool._seats[1].worker)
            await _update(pool, {**tensors, "lm_head.weight": tensors["lm_head.weight"] * 0.1}, tmp_path, 2)
            later = await pool.score(probe)
            assert await pool.versions() == [2, 2]
            assert later[0] == pytest.approx(later[1])
            assert later[0] != pytest.approx(after[0], abs=0.1)
            assert pool.replaced == 1
        finally:
            await pool.close()

    asyncio.run(updates())


def _job(ground: Ground, output: Path) -> DapoJob:
    storage.write_rows(str(output / "questions.parquet"), Question, questions(64, "Kalo"))
    setup = ground.setup
    return DapoJob(
        output=str(output),
        snapshot="smallworld-20260101",
        tokenizer=setup.tokenizer,
        start=ground.guesser,
        ranks=2,
        placement=SHARED,
        settings=DapoSettings(
            prompts=2,
            group=6,
            minibatches=1,
            curriculum=[CurriculumPhase(max_masks=1, steps=STEPS)],
            optimiser=OptimiserSettings(lr=1e-2, warmup_steps=0),
            engineering=EngineeringSettings(micro_batch_tokens=128, zero_stage=3),
            parity_tolerance=1e-3,
            checkpoint_every=2,
        ),
        agent=setup.agent,
        questions=[str(output / "questions.parquet")],
        index=setup.index,
        engine=setup.engine,
    )


def _lines(folder: Path) -> list[dict[str, Any]]:
    path = folder / "metrics.jsonl"
    text = path.read_text() if path.exists() else ""
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


@pytest.mark.slow
@pytest.mark.chaos
def test_ranks_and_engines_train_in_turns_on_the_same_processors_and_an_engine_that_dies_is_made_up_for(
    ground, cluster, tmp_path
):
    job = _job(ground, tmp_path)
    running = start("trainers.dapo", job, cluster)
    wait_for(lambda: len(_lines(tmp_path)) >= 2, running)
    os.kill(processes_of("WorkerActor")[0], signal.SIGKILL)
    assert running.wait(300) == 0, (tmp_path / "job.log").read_text()

    lines = _lines(tmp_path)
    assert [line["step"] for line in lines] == list(range(1, STEPS + 1))
    assert all(line["trained_tokens"] and line["parity"] < 1e-3 for line in lines)
    # Of the first steps: later ones differ from run to run, for AdamW at this rate makes much of mere rounding.
    assert lines[0]["entropy"] - lines[2]["entropy"] > 1e-3, "the policy has changed"
    assert all(line["engine_asleep"] > 0 for line in lines), "engines sleep while ranks train"
    assert all(line["sampler_gap"] < 1e-5 for line in lines), "what sampled is what is trained"
    assert "died and is replaced" in (tmp_path / "job-rank-0.log").read_text()


def test_an_engine_runs_on_one_machine():
    spots = [Spot(node, str(gpu)) for node in ("one", "two") for gpu in range(3)]
    assert spots_of_engines(spots, 3) == [spots[:3], spots[3:]]
    assert spots_of_engines(spots, 1) == [[spot] for spot in spots]
    with pytest.raises(BadInput, match=r"2 processes of an engine .* would be on several machines"):
        spots_of_engines(spots, 2)


def test_every_process_of_an_engine_reads_the_buffer_of_the_rank_beside_it():
    handles: list[Handle] = [OfMemory(process=rank, descriptor=0, size=1) for rank in range(6)]
    pack = SharedPack([], handles, is_last=True)
    assert [pack.of_engine(number, 2).handles for number in range(3)] == [handles[:2], handles[2:4], handles[4:]]
    assert pack.of_engine(1, 2).is_last
