"""Damaged checkpoints are set aside for the one before; whole ones are kept, and none is passed over in silence."""

import logging
import shutil
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import RunFailed
from trainers.ranks.checkpoint import Checkpoints


class OneRank:
    """A training engine whose state is a number in a file."""

    rank, ranks = 0, 1

    def __init__(self) -> None:
        self.state = 0

    def save(self, folder: Path) -> None:
        (folder / "weights").write_text(str(self.state))

    def load(self, folder: Path) -> None:
        self.state = int((folder / "weights").read_text())

    def barrier(self) -> None:
        """Nobody to wait for."""


def _checkpoints(folder: Path) -> Checkpoints:
    return Checkpoints(folder, OneRank(), keep=2, origin={})


def _saved(folder: Path, *steps: int) -> None:
    checkpoints = _checkpoints(folder)
    for step in steps:
        checkpoints.save(step, {})


def _damage(folder: Path, *steps: int) -> None:
    for step in steps:
        (folder / f"step-{step:08d}" / "weights").write_text("torn")


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _step(progress: dict[str, Any] | None) -> int | None:
    return progress["step"] if progress else None


def test_without_a_checkpoint_training_starts_at_the_beginning(tmp_path: Path):
    assert _checkpoints(tmp_path / "none yet").restore() is None
    (tmp_path / ".step-00000005.tmp").mkdir()
    assert _checkpoints(tmp_path).restore() is None


def test_the_newest_are_kept(tmp_path: Path):
    _saved(tmp_path, 5, 10, 15)
    assert _names(tmp_path) == ["step-00000010", "step-00000015"]
    assert _step(_checkpoints(tmp_path).restore()) == 15


def test_a_damaged_one_is_set_aside_until_the_training_has_come_past_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    _saved(tmp_path, 10, 20)
    _damage(tmp_path, 20)
    checkpoints = _checkpoints(tmp_path)
    with caplog.at_level(logging.WARNING):
        assert _step(checkpoints.restore()) == 10
    (told,) = caplog.messages
    assert "step-00000020 is damaged (missing or changed: weights): renamed to damaged-step-00000020" in told
    assert _names(tmp_path) == ["damaged-step-00000020", "step-00000010"]
    checkpoints.save(15, {})
    assert _names(tmp_path) == ["damaged-step-00000020", "step-00000010", "step-00000015"]
    checkpoints.save(20, {})
    assert _names(tmp_path) == ["step-00000015", "step-00000020"]


def test_one_that_is_damaged_again_takes_the_place_of_the_one_set_aside(tmp_path: Path):
    _saved(tmp_path, 10, 20)
    shutil.copytree(tmp_path / "step-00000020", tmp_path / "damaged-step-00000020")
    _damage(tmp_path, 20)
    assert _step(_checkpoints(tmp_path).restore()) == 10
    assert (tmp_path / "damaged-step-00000020" / "weights").read_text() == "torn"


def test_if_all_checkpoints_are_damaged_the_training_fails(tmp_path: Path):
    _saved(tmp_path, 15, 20)
    _damage(tmp_path, 15, 20)
    for _ in range(2):  # nothing is set aside, or the second time there would seem to be none
        with pytest.raises(RunFailed, match=r"all 2 checkpoints are damaged \(step-00000020: .*: restore .* or remove"):
            _checkpoints(tmp_path).restore()


def test_the_one_just_written_is_kept_whatever_else_is_there(tmp_path: Path):
    _saved(tmp_path, 15, 20)
    _saved(tmp_path, 10)
    assert "step-00000010" in _names(tmp_path)
