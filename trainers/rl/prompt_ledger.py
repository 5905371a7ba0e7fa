"""What became of every prompt: ``prompts.jsonl``, a line each, as it is used in a step or dropped for a reason.

A prompt that has no line and lies before the cursor of a checkpoint is in flight or waits there for a step; what lies
behind the cursor is pending. A resumed training takes back the lines that came after its checkpoint, so that no prompt
is lost or doubled.
"""

from enum import StrEnum
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from tasks.ledger import json_lines, storage


class Drop(StrEnum):
    """Why a prompt was used in no step."""

    EQUAL = "equal"  # all rollouts earned the same: nothing to compare
    FAILED = "failed"  # no rollout came to an end: search or the engine failed
    STALE = "stale"  # sampled by a policy older than `dapo.staleness` allows


class Fate(BaseModel):
    """Of one prompt: the question at a position of a phase (that of up to ``max_masks`` masks)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    step: int
    max_masks: int
    position: int
    question_id: str
    outcome: Literal["used", "dropped"]
    reason: Drop | None = None


class PromptLedger:
    """The fates of a training's prompts, by step (from 1)."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def go_on_from(self, step: int) -> None:
        """Keep the fates up to this step; what came after a checkpoint will come again."""
        kept = [fate for fate in self.fates() if fate.step <= step]
        storage.write_bytes(str(self._path), "".join(f"{fate.model_dump_json()}\n" for fate in kept).encode())

    def add(self, fates: list[Fate]) -> None:
        json_lines.append(self._path, [fate.model_dump_json() for fate in fates])

    def fates(self) -> list[Fate]:
        """All of them; a last line that was cut off by a kill is left out."""
        return [Fate.model_validate_json(line) for line in json_lines.read(self._path)]
