"""``metrics.jsonl``: a line of JSON a step, each step once, whatever happened in between."""

import json
from pathlib import Path
from typing import Any

from tasks import storage


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
        with self._path.open("a") as file:
            file.write(json.dumps(line, allow_nan=False) + "\n")

    def lines(self) -> list[dict[str, Any]]:
        """All lines; a last one that was cut off by a kill is left out."""
        if not self._path.exists():
            return []
        text = self._path.read_text()
        return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
