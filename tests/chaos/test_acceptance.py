"""`masksearch accept` on a tiny model, where engine and trainer may not differ at all: it must be able to fail."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]

ROOT = Path(__file__).parents[2]
CONFIG = """
extends: {parent}
dapo:
  parity_tolerance: 1.0e-30
runtime:
  root: {root}
  engine: {{in_flight: 32, threads: 1}}
"""


def test_an_item_that_fails_is_told_and_the_others_are_measured_all_the_same(tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG.format(parent=ROOT / "tests/chaos/tiny.yaml", root=tmp_path / "root"))
    command = [Path(sys.executable).parent / "masksearch", "accept", str(config), "--size", "tiny"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 1, run.stdout + run.stderr
    assert "error: not accepted: parity after updates" in run.stderr
    found = json.loads((tmp_path / "root" / "acceptance.json").read_text())
    outcomes = {item["name"]: item["outcome"] for item in found["items"]}
    assert outcomes["parity after updates"] == "fail"
    assert outcomes["DAPO: main process killed"] == "not tried", "the training had ended by itself"
    assert {outcomes[name] for name in ("rollouts", "SFT", "retrieval", "cost of a trajectory")} == {"pass"}
    assert found["rates"]["generated_tokens_per_second"] > 0
