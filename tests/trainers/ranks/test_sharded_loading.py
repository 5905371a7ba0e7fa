"""A model under ZeRO 3: no rank holds the whole of it when it is loaded, and all hold what the folder says."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from tasks.capacity.processes import free_port
from trainers.ranks.launch import environment_of

pytestmark = pytest.mark.slow

RANK = """
import os
import sys
from schemas.errors import BadInput
from schemas.training_settings import EngineeringSettings, OptimiserSettings
from trainers.ranks.deepspeed_engine import TrainingEngine
from trainers.ranks.launch import leave_group

held = []
import trainers.ranks.deepspeed_engine as module
load = module.load_sharded

def watched(*words):
    model = load(*words)
    held.append((sum(p.numel() for p in model.parameters()), sum(p.ds_tensor.numel() for p in model.parameters()),
                 sum(p.ds_numel for p in model.parameters())))
    return model

module.load_sharded = watched
try:
    engine = TrainingEngine(sys.argv[1], OptimiserSettings(lr=1e-3), EngineeringSettings(zero_stage=3))
    engine.save_weights(sys.argv[2])
    print(*held[0], flush=True)
    code = 0
except BadInput as error:
    print(f"refused: {error}", file=sys.stderr, flush=True)
    code = 1
leave_group()
os._exit(code)  # a thread of torch's may yet abort a process whose interpreter ends (exit code -6), once in many runs
"""


def two_ranks(model: Path, out: Path) -> list[subprocess.CompletedProcess[str]]:
    port = free_port()
    words = [sys.executable, "-c", RANK, str(model), str(out)]
    started = [
        subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment_of(rank, 2, port)
        )
        for rank in range(2)
    ]
    told = [process.communicate(timeout=120) for process in started]
    return [
        subprocess.CompletedProcess(words, process.returncode, out, err)
        for process, (out, err) in zip(started, told, strict=True)
    ]


def test_each_rank_holds_its_share_and_together_they_write_what_was_read(training_files: Path, tmp_path: Path):
    for run in two_ranks(training_files / "model", tmp_path / "out"):
        assert run.returncode == 0, run.stderr[-2000:]
        whole_here, share, all_weights = map(int, run.stdout.split()[-3:])
        assert whole_here == 0
        assert all_weights / 2 <= share < all_weights / 2 + 100
    before, after = (load_file(folder / "model.safetensors") for folder in (training_files / "model", tmp_path / "out"))
    assert before.keys() == after.keys()
    assert all((before[name] == after[name]).all() for name in before)


@pytest.mark.parametrize("broken", ["renamed", "missing"])
def test_other_weights_than_the_architecture_s_are_refused(training_files: Path, tmp_path: Path, broken: str):
    folder = tmp_path / "model"
    shutil.copytree(training_files / "model", folder)
    weights = load_file(folder / "model.safetensors")
    name = next(iter(weights))
    moved = weights.pop(name)
    if broken == "renamed":
        weights["another.name"] = moved
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    said = "another.name is no weight of this model" if broken == "renamed" else "1 of the model's weights are missing"
    for run in two_ranks(folder, tmp_path / "out"):
        assert run.returncode == 1 and said in run.stderr, run.stderr[-2000:]
