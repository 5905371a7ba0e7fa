"""What memory the GPUs of a machine have, told by a stand-in for the driver's program."""

from pathlib import Path

import pytest

from tasks.capacity.devices import gpu_memory, this_machine

SMI = """#!/bin/sh
case "$*" in
  "--query-gpu=memory.total --format=csv,noheader,nounits") echo 81559; echo 24576 ;;
  "--query-gpu=memory.total --format=csv,noheader,nounits -i 1") echo 24576 ;;
  *) exit 6 ;;
esac
"""


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    (tmp_path / "nvidia-smi").write_text(SMI)
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return monkeypatch


def test_gpus_are_those_that_the_process_may_see(driver: pytest.MonkeyPatch):
    assert gpu_memory() == (81559 * 2**20, 24576 * 2**20)
    for visible, seen in (("1", (24576 * 2**20,)), ("", ()), ("9", ())):
        driver.setenv("CUDA_VISIBLE_DEVICES", visible)
        assert gpu_memory() == seen


def test_a_machine_without_the_driver_has_memory_and_no_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpu_memory() == ()
    assert 1e8 < this_machine().memory < 1e14
