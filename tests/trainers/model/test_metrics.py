"""metrics.jsonl: each step once, and none of a training that has diverged."""

from pathlib import Path

import pytest

from schemas.errors import RunFailed
from trainers.model.metrics import Metrics, refuse_divergence


def test_lines_after_the_checkpoint_and_a_torn_one_are_dropped(tmp_path: Path):
    path = tmp_path / "metrics.jsonl"
    metrics = Metrics(path)
    metrics.go_on_from(0)
    for step in range(1, 8):
        metrics.add({"step": step, "loss": 1 / 3})
    with path.open("a") as file:
        file.write('{"step": 8, "lo')
    assert [line["step"] for line in metrics.lines()] == [1, 2, 3, 4, 5, 6, 7]
    metrics.go_on_from(5)
    metrics.add({"step": 6, "loss": 0.5})
    assert [line["step"] for line in metrics.lines()] == [1, 2, 3, 4, 5, 6]
    assert metrics.lines()[0]["loss"] == 1 / 3


@pytest.mark.parametrize("broken", [float("nan"), float("inf"), float("-inf")])
def test_a_step_whose_figures_are_no_numbers_is_the_last(broken: float):
    refuse_divergence(3, {"loss": 1e30, "norm of the gradient": 0.0})
    with pytest.raises(RunFailed, match=r"step 3: the norm of the gradient is not a number .*diverged.* lower optimi"):
        refuse_divergence(3, {"loss": 0.5, "norm of the gradient": broken})
