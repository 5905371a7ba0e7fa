"""Ranks on a Ray cluster: what they compute, how they end, and that they go on when one of them is killed."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import BadInput, RunFailed
from schemas.jobs import SftJob, TrainingJob, TrajectorySource
from schemas.runtime import LocalJobs, PlacementRuntime
from schemas.training_settings import CurriculumPhase, EngineeringSettings, OptimiserSettings, SftSettings
from tasks import jobs
from tasks.jobs.folder import attempts_of
from tests.support.ray_jobs import local_ray, processes_of, start, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.chaos]

STEPS = 60
DISTRIBUTED = PlacementRuntime(layout="distributed", restarts=1)


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The address of a local Ray of 4 processors that all jobs here join."""
    with local_ray(4) as address:
        yield address


def _sft(files: Path, output: Path, placement: PlacementRuntime) -> SftJob:
    settings = SftSettings(
        curriculum=[CurriculumPhase(max_masks=4, steps=STEPS)],
        tokens_per_step=512,
        optimiser=OptimiserSettings(lr=3e-3, warmup_steps=4),
        engineering=EngineeringSettings(micro_batch_tokens=128),
        checkpoint_every=10,
    )
    return SftJob(
        output=str(output),
        snapshot="smallworld-20260101",
        tokenizer=str(files / "tokenizer"),
        start=str(files / "model"),
        ranks=2,
        placement=placement,
        settings=settings,
        sources=[TrajectorySource(label="scripted", paths=[str(files / "trajectories.parquet")])],
    )


def _figures(folder: Path) -> list[dict[str, Any]]:
    """What every step did; not how long it took."""
    path = folder / "metrics.jsonl"
    text = path.read_text() if path.exists() else ""
    lines = [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
    return [{name: value for name, value in line.items() if name != "seconds"} for line in lines]


@pytest.fixture(scope="module")
def by_processes(training_files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a training whose ranks are processes beside each other, undisturbed."""
    folder = tmp_path_factory.mktemp("processes")
    assert start("trainers.sft", _sft(training_files, folder, PlacementRuntime()), "").wait(300) == 0
    return folder


@pytest.fixture(scope="module")
def stopped(cluster: str, training_files: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[SftJob, int]:
    """A training on Ray that was told to stop, and its exit code."""
    job = _sft(training_files, tmp_path_factory.mktemp("ray"), DISTRIBUTED)
    parent = start("trainers.sft", job, cluster)
    wait_for(lambda: len(_figures(Path(job.output))) >= 5)
    parent.terminate()
    return job, parent.wait(300)


def test_after_a_stop_request_all_ranks_save_a_checkpoint_and_leave(stopped: tuple[SftJob, int]):
    job, exit_code = stopped
    assert exit_code == jobs.TERMINATED
    done = len(_figures(Path(job.output)))
    assert 5 <= done < STEPS
    assert (Path(job.output) / "checkpoints" / f"step-{done:08d}" / "manifest.json").exists()
    assert jobs.result_of(job.output) is None


def test_a_killed_rank_is_replaced_and_all_steps_are_those_of_local_processes(
    stopped: tuple[SftJob, int], cluster: str, by_processes: Path
):
    job, _ = stopped
    folder = Path(job.output)
    parent, first = start("trainers.sft", job, cluster), len(_figures(folder))
    wait_for(lambda: len(_figures(folder)) >= first + 5)
    ranks = processes_of("RayTrainWorker")
    assert len(ranks) == 2
    os.kill(ranks[1], signal.SIGKILL)
    assert parent.wait(300) == 0
    assert _figures(folder) == _figures(by_processes)
    weights = [path / "model" / "model.safetensors" for path in (folder, by_processes)]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    assert jobs.result_of(job.output) is not None


def test_an_error_of_a_rank_ends_the_job_at_once_in_one_line(cluster: str, tmp_path: Path):
    job = TrainingJob(
        output=str(tmp_path),
        snapshot="smallworld-20260101",
        tokenizer="",
        start="refuse",
        ranks=2,
        threads_per_rank=3,
        placement=DISTRIBUTED,
    )
    assert start("tests.support.ranks", job, cluster).wait(300) == BadInput.exit_code
    assert (tmp_path / "job.log").read_text() == "error: rank 1 does not like it\n"
    assert json.loads((tmp_path / "job-error.json").read_text())["message"] == "rank 1 does not like it"


def test_ranks_that_die_again_and_again_are_not_started_again_by_the_job_as_well(
    cluster: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("RAY_ADDRESS", cluster)
    job = TrainingJob(
        output=str(tmp_path), snapshot="smallworld-20260101", tokenizer="", start="die", ranks=2, placement=DISTRIBUTED
    )
    jobs.start_or_attach("tests.support.ranks", job, LocalJobs(restarts=3))
    with pytest.raises(RunFailed, match="the ranks failed, with 1 restarts allowed"):
        jobs.watch(job.output, lambda progress: None)
    assert (tmp_path / "starts-1").read_text() == "started\n" * 2
    assert [attempt.number for attempt in attempts_of(job.output)] == [1]


def test_a_rank_that_dies_before_anybody_looked_at_it_ends_nothing(
    cluster: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("RAY_ADDRESS", cluster)
    told = {"output": str(tmp_path), "snapshot": "smallworld-20260101", "tokenizer": "", "start": "die at once"}
    job = TrainingJob(**told, ranks=2, placement=DISTRIBUTED)
    jobs.start_or_attach("tests.support.ranks", job)
    assert jobs.watch(job.output, lambda progress: None).figures["ranks"] == "2"
    assert (tmp_path / "starts-1").read_text() == "started\n" * 2


def test_more_than_the_cluster_has_is_refused_before_anything_starts(cluster: str, tmp_path: Path):
    from trainers.ranks import ray_ranks

    placement = PlacementRuntime(layout="distributed", cpus_per_rank=3)
    job = TrainingJob(
        output=str(tmp_path), snapshot="smallworld-20260101", tokenizer="", start="", ranks=2, placement=placement
    )
    with pytest.raises(BadInput, match="asks for 6 CPUs and 0 GPUs, but the Ray cluster has 4 and 0"):
        ray_ranks.run("tests.support.ranks", "_train", job)
