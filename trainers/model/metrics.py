"""``metrics.jsonl``: one line of JSON for each step, each step exactly once even after a resume."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from schemas.errors import RunFailed
from tasks.ledger import json_lines, storage


class Metrics:
    """The figures of a training by step (from 1)."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def go_on_from(self, step: int) -> None:
        """Keep the lines up to this step: the steps after a checkpoint are repeated."""
        kept = [line for line in self.lines() if line["step"] <= step]
        storage.write_bytes(str(self._path), "".join(json.dumps(line) + "\n" for line in kept).encode())

    def add(self, line: dict[str, Any]) -> None:
        """Append the figures of one step."""
        json_lines.append(self._path, [json.dumps(line, allow_nan=False)])

    def lines(self) -> list[dict[str, Any]]:
        """All lines, without an incomplete last line, which a kill may leave."""
        return [json.loads(line) for line in json_lines.read(self._path)]


def refuse_divergence(step: int, figures: Mapping[str, float]) -> None:
    """Check figures that are the same on every rank; all ranks call this after a step (from 1; 0 before the first).

    Raises:
        RunFailed: a figure is NaN or infinite, so that all later steps would be broken.
    """
    for name, value in figures.items():
        if not math.isfinite(value):
            raise RunFailed(
                f"step {step}: the {name} is not a number ({value:g}): the training has diverged, or started with "
                "broken weights; lower optimiser.lr or raise optimiser.warmup_steps, and give the training a new label"
            )
