"""`masksearch accept` on a tiny model: it passes where all is well, and it can fail."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.chaos, pytest.mark.timeout(1500)]

ROOT = Path(__file__).parents[2]
SHARED = """
extends: {parent}
training:
  ramp-rl: {{engineering: {{zero_stage: 3}}}}
runtime:
  root: {root}
  ranks: 2
  placement: {{layout: shared, engines: 2, searchers: 2, weights: ipc}}
"""
NEVER_EQUAL = """
extends: {parent}
training:
  ramp-rl: {{parity_tolerance: 1.0e-30}}
runtime:
  root: {root}
"""


def accept(folder, text, environment=None):
    config = folder / "config.yaml"
    config.write_text(text.format(parent=ROOT / "tests/chaos/tiny.yaml", root=folder / "root"))
    command = [Path(sys.executable).parent / "masksearch", "accept", str(config), "--size", "tiny"]
    environment = {**os.environ, **(environment or {})}
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=environment)
    print(run.stdout)
    found = json.loads((folder / "root" / "acceptance.json").read_text())
    return run, found, {item["name"]: item["outcome"] for item in found["items"]}


def test_a_cluster_of_two_nodes_is_accepted_after_one_of_each_kind_of_process_has_died(cluster, tmp_path):
    run, found, outcomes = accept(tmp_path, SHARED, {"RAY_ADDRESS": cluster.address})
    assert run.returncode == 0, run.stdout + run.stderr
    assert set(outcomes.values()) == {"pass"}
    assert {f"DAPO: {kind} killed" for kind in ("main process", "rank", "engine", "searcher")} <= set(outcomes)
    assert None not in found["rates"].values()


def test_an_item_that_fails_is_told_and_the_others_are_measured_all_the_same(tmp_path):
    """Engine and trainer may not differ at all."""
    run, found, outcomes = accept(tmp_path, NEVER_EQUAL)
    assert run.returncode == 1, run.stdout + run.stderr
    assert "error: not accepted: parity after updates" in run.stderr
    assert outcomes["parity after updates"] == "fail"
    assert outcomes["DAPO: main process killed"] == "not tried", "the training had ended by itself"
    assert {outcomes[name] for name in ("rollouts", "SFT", "retrieval", "cost of a trajectory")} == {"pass"}
    assert found["rates"]["update_seconds"] is None
