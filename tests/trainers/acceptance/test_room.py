"""An acceptance that does not fit says so before it writes anything, and leaves nothing large behind."""

import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest

from schemas.config import read_config
from schemas.errors import BadInput
from trainers.acceptance.derived import derived
from trainers.acceptance.room import refuse_no_disk
from trainers.acceptance.trial import Trial

ROOT = Path(__file__).parents[3]
TINY = ROOT / "tests" / "chaos" / "tiny.yaml"


@pytest.mark.slow
@pytest.mark.parametrize("size", ["7B", "70B"])
def test_a_size_that_does_not_fit_is_refused_in_one_line_and_nothing_is_written(tmp_path, size):
    command = [Path(sys.executable).parent / "masksearch", "accept", TINY, "--size", size, "--root", tmp_path / "root"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 2, run.stdout + run.stderr
    assert run.stderr.startswith("error: ") and run.stderr.count("\n") == 1
    assert "does not fit" in run.stderr or "GB on disk" in run.stderr
    assert not (tmp_path / "root").exists()


@pytest.mark.parametrize(("free", "fits"), [(500e9, True), (100e9, False), (1e9, False)])
def test_the_disk_must_hold_three_models_and_the_checkpoints_of_two_trainings(tmp_path, monkeypatch, free, fits):
    """3B in fp32: 3 x 12 GB, and two times two checkpoints of 36 GB: 180 GB, and something for what is exact."""
    small = derived(read_config(TINY, {"runtime": {"root": str(tmp_path)}}), "3B")
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(1e12, 0, free))
    if fits:
        refuse_no_disk(small, "3B")
    else:
        with pytest.raises(BadInput, match=r"size 3B takes at least \d+ GB on disk, and \d+ GB are free: give a small"):
            refuse_no_disk(small, "3B")
    assert list(tmp_path.iterdir()) == []


def test_of_a_trial_that_is_over_logs_and_figures_stay(tmp_path):
    config = derived(read_config(TINY, {"runtime": {"root": str(tmp_path)}}), "tiny")
    trial = Trial(config, lambda name, news: None)
    trial.clear()
    assert list(tmp_path.iterdir()) == [], "nothing was made"
    folder = Path(trial.folder("models/sft"))
    for name in ("job.log", "metrics.jsonl", "model/config.json", "model/model.safetensors", "checkpoints/1/rank.pt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("{}")
    trial.clear()
    assert trial.is_cleared
    left = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert left == {"job.log", "metrics.jsonl", "model/config.json"}
    trial.begin_anew()
    assert not trial.is_cleared
