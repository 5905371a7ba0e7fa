"""The learning curves of models, from ``metrics.jsonl`` in the folder of each (one line of JSON for each step)."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

from tasks.ledger import json_lines, storage
from tasks.ledger.ledger import Ledger

Points = list[tuple[int, float]]
"""(step, value)."""

_EARLIER_NAMES = {"stage": "phase"}
"""Names of figures in files that an earlier version began: a resumed training has both names in one file."""


@dataclass(frozen=True)
class Curves:
    """The curves of one training. A series has only those steps that have the figure."""

    label: str
    series: dict[str, Points]
    phases: Points
    """The beginning of each phase of the curriculum: (step, most masks); one element without a curriculum."""

    @property
    def is_rl(self) -> bool:
        return "reward" in self.series


def read_curves(ledger: Ledger, labels: Sequence[str]) -> list[Curves]:
    """The curves of all models that were trained."""
    found = [_read(label, storage.join(ledger.folder("models", label), "metrics.jsonl")) for label in labels]
    return [curves for curves in found if curves is not None]


def _read(label: str, path: str) -> Curves | None:
    if not storage.exists(path):
        return None
    lines = [json.loads(line) for line in json_lines.lines_of(storage.read_bytes(path))]
    series: dict[str, Points] = {}
    for line in lines:
        for name, value in line.items():
            series.setdefault(_EARLIER_NAMES.get(name, name), []).append((line["step"], float(value)))
    begins = series.pop("phase", [(1, 0.0)])
    changed = [point for before, point in pairwise(begins) if before[1] != point[1]]
    return Curves(label, {name: points for name, points in series.items() if len(points) > 1}, [begins[0], *changed])


def smoothed(points: Points, share: float = 0.05) -> Points:
    """A running mean; its window is ``share`` of all steps, at least one step."""
    window = max(1, round(len(points) * share))
    values = [value for _, value in points]
    return [(step, fmean(values[max(0, i + 1 - window) : i + 1])) for i, (step, _) in enumerate(points)]
