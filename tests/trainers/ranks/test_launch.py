"""Ranks of a job: what they are told, how they end, and that none outlives the job."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from schemas.jobs import TrainingJob
from tasks import jobs

RANKS = 2


def _start(folder: Path, what: str, ranks: int = RANKS) -> subprocess.Popen[bytes]:
    job = TrainingJob(
        output=str(folder), snapshot="smallworld-20260101", tokenizer="", start=what, ranks=ranks, threads_per_rank=3
    )
    (folder / "config.json").write_text(job.model_dump_json())
    inherited = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    command = [sys.executable, "-m", "tests.support.ranks", str(folder / "config.json")]
    return subprocess.Popen(command, env=inherited)


def _processes(folder: Path) -> list[int]:
    """Process ids of the ranks, once all of them run."""
    files = [folder / f"rank-{rank}" for rank in range(RANKS)]
    deadline = time.monotonic() + 30
    while not all(file.exists() and file.read_text() for file in files):
        assert time.monotonic() < deadline, "the ranks did not start"
        time.sleep(0.02)
    return [int(file.read_text()) for file in files]


def _is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().split(")")[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _all_gone(processes: list[int], within: float) -> bool:
    deadline = time.monotonic() + within
    while any(_is_alive(process) for process in processes):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@pytest.mark.parametrize("ranks", [1, 2])
def test_the_result_is_written_once_by_rank_0(tmp_path: Path, ranks: int):
    assert _start(tmp_path, "train", ranks).wait(30) == 0
    result = jobs.result_of(str(tmp_path))
    assert result is not None
    assert result.figures == {"threads": "3", "ranks": str(ranks)}
    assert len(list(tmp_path.glob("rank-*"))) == ranks


def test_a_rank_s_work_counts_not_how_its_interpreter_ends(tmp_path: Path):
    assert _start(tmp_path, "abort as it ends").wait(30) == 0
    assert jobs.result_of(str(tmp_path)) is not None


def test_ranks_die_with_a_parent_that_is_killed(tmp_path: Path):
    parent = _start(tmp_path, "wait")
    ranks = _processes(tmp_path)
    parent.kill()
    assert parent.wait(10) == -signal.SIGKILL
    assert _all_gone(ranks, within=5)


def test_sigterm_reaches_the_ranks_and_the_job_exits_with_143(tmp_path: Path):
    parent = _start(tmp_path, "wait")
    ranks = _processes(tmp_path)
    parent.terminate()
    assert parent.wait(60) == jobs.TERMINATED
    assert _all_gone(ranks, within=1)
    assert jobs.result_of(str(tmp_path)) is None


@pytest.mark.parametrize(
    ("what", "code", "said"), [("die as it saves", 1, "ended by signal 9"), ("fail as it saves", 2, "cannot write")]
)
def test_a_rank_that_fails_while_the_others_save_is_reported(tmp_path: Path, what: str, code: int, said: str):
    parent = _start(tmp_path, what)
    ranks = _processes(tmp_path)
    parent.terminate()
    assert parent.wait(45) == code
    assert _all_gone(ranks, within=1)
    assert said in json.loads((tmp_path / "job-error.json").read_text())["message"]


def test_a_rank_that_fails_ends_the_others_and_its_reason_is_the_job_s(tmp_path: Path):
    parent = _start(tmp_path, "refuse")
    assert parent.wait(30) == 2
    assert json.loads((tmp_path / "job-error.json").read_text())["message"] == "rank 1 does not like it"


def test_a_rank_killed_from_outside_fails_the_job(tmp_path: Path):
    parent = _start(tmp_path, "wait")
    ranks = _processes(tmp_path)
    os.kill(ranks[1], signal.SIGKILL)
    assert parent.wait(10) == 1
    assert _all_gone(ranks, within=1)
    assert "signal 9" in json.loads((tmp_path / "job-error.json").read_text())["message"]
