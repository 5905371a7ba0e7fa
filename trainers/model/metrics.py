"""``metrics.jsonl``: a line of JSON a step, each step once, whatever happened in between."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from schemas.errors import RunFailed
from tasks.ledger import json_lines, storage


class Metrics:
    """The figures of a training, by step (from 1)."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def go_on_from(self, step: int) -> None:
        """Keep the lines up to this step; what came after a checkpoint will come again."""
        kept = [line for line in self.lines() if line["step"] <= step]
        storage.write_bytes(str(self._path), "".join(json.dumps(line) + "\n" for line in kept).encode())

    def add(self, line: dict[str, Any]) -> None:
        """Append the figures of one step."""
        json_lines.append(self._path, [json.dumps(line, allow_nan=False)])

    def lines(self) -> list[dict[str, Any]]:
        """All lines; a last one that was cut off by a kill is left out."""
        return [json.loads(line) for line in json_lines.read(self._path)]


def refuse_divergence(step: int, figures: Mapping[str, float]) -> None:
    """All ranks call it after a step (from 1; 0 before the first) with figures by name, the same on every rank.

    Raises:
        RunFailed: one is not a number: every step from here on would be as broken.
    """
    for name, value in figures.items():
        if not math.isfinite(value):
            raise RunFailed(
                f"step {step}: the {name} is not a number ({value:g}): the training has diverged, or began with broken "
                "weights; lower optimiser.lr or raise optimiser.warmup_steps, and give the training a label of its own"
            )
