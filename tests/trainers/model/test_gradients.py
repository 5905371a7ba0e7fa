"""In bf16 the gradients of many micro-batches are summed up as if they were one, under every stage of ZeRO."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.capacity.processes import free_port
from trainers.ranks.launch import environment_of

pytestmark = pytest.mark.slow

RANK = """
import json
import os
import sys

import numpy as np
import torch

from schemas.training_settings import EngineeringSettings, OptimiserSettings
from trainers.model.batches import batch_of
from trainers.ranks.deepspeed_engine import TrainingEngine
from trainers.model.losses import cross_entropy
from trainers.model.sequences import Sequence

torch.set_num_threads(1)
token_ids = np.random.default_rng(1).integers(20, 200, 60).astype(np.int32)
batch = batch_of([Sequence(token_ids, np.arange(60) > 5)])
engineering = EngineeringSettings(dtype="bf16", zero_stage=int(sys.argv[2]))
engine = TrainingEngine(sys.argv[1], OptimiserSettings(lr=1e-3), engineering)
norms = []
for count in (1, 64, 1):  # times the same micro-batch, of which each counts as much less
    for _ in range(count):
        engine.backward(cross_entropy(engine.score(*batch).logprobs_N, 54 * count))
    norms.append(engine.step(0.0))
print(json.dumps(norms), flush=True)
os._exit(0)
"""


@pytest.mark.parametrize("zero_stage", [1, 2, 3])
def test_a_sum_of_many_is_as_exact_as_one(training_files: Path, zero_stage: int):
    words = [sys.executable, "-c", RANK, str(training_files / "model"), str(zero_stage)]
    run = subprocess.run(words, capture_output=True, text=True, check=False, env=environment_of(0, 1, free_port()))
    assert run.returncode == 0, run.stderr
    once, summed, again = json.loads(run.stdout.splitlines()[-1])
    assert again == once
    assert summed == pytest.approx(once, rel=1e-5)
