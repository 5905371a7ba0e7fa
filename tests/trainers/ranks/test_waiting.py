"""Ranks wait for hours for what rank 0 does alone, and not for a fellow that hangs in the training itself."""

import subprocess
import sys
from pathlib import Path

import pytest

from tasks.capacity.processes import free_port
from trainers.ranks.launch import environment_of

pytestmark = pytest.mark.slow

RANK = """
import os
import sys
import time
from datetime import timedelta

import trainers.ranks.deepspeed_engine as module
from schemas.training_settings import EngineeringSettings, OptimiserSettings

module.COLLECTIVE_TIMEOUT = timedelta(seconds=3)
engine = module.TrainingEngine(sys.argv[1], OptimiserSettings(lr=1e-3), EngineeringSettings(zero_stage=3))
code = 0
try:
    if engine.rank == 0:
        time.sleep(6)
    if sys.argv[2] == "told":
        print(engine.from_rank_0("by rank 0" if engine.rank == 0 else None), flush=True)
    elif engine.rank == 1:
        engine.save_weights(sys.argv[3])
except RuntimeError as error:
    print(f"gave up: {error}", flush=True)
    code = 1
os._exit(code)
"""


def _ranks(model: Path, out: Path, what: str) -> list[tuple[int, str]]:
    port = free_port()
    words = [sys.executable, "-c", RANK, str(model), what, str(out)]
    started = [
        subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment_of(rank, 2, port))
        for rank in range(2)
    ]
    said = [process.communicate(timeout=120)[0] for process in started]
    return [(process.returncode, out) for process, out in zip(started, said, strict=True)]


def test_what_rank_0_does_alone_may_take_longer_than_a_collective(training_files: Path, tmp_path: Path):
    ended = _ranks(training_files / "model", tmp_path / "out", "told")
    assert [(code, said.split("\n")[-2]) for code, said in ended] == [(0, "by rank 0")] * 2


def test_a_rank_whose_fellow_does_not_take_part_gives_up(training_files: Path, tmp_path: Path):
    (_, _), (code, said) = _ranks(training_files / "model", tmp_path / "out", "train")
    assert code == 1
    assert "gave up" in said
