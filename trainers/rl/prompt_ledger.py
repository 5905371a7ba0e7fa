"""The fate of every prompt: ``prompts.jsonl`` has one line when a prompt is used in a step, or dropped with a reason.

A prompt before the cursor of a checkpoint without a line is in flight or waits for a later step; prompts after the
cursor are pending. A resumed training removes the lines after its checkpoint, so that no prompt is lost or used twice.
"""

from enum import StrEnum
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from tasks.ledger import json_lines, storage


class Drop(StrEnum):
    """Why a prompt was dropped."""

    EQUAL = "equal"  # all rollouts have the same reward, so their advantages are 0
    FAILED = "failed"  # no rollout finished: search or the engine failed
    STALE = "stale"  # sampled by a policy older than `dapo.staleness` allows


class Fate(BaseModel):
    """The fate of one prompt: the question at a position of the phase of up to ``bound`` masks."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    step: int
    bound: int
    position: int
    question_id: str
    outcome: Literal["used", "dropped"]
    reason: Drop | None = None


class PromptLedger:
    """The fates of a training's prompts, by step (from 1)."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def go_on_from(self, step: int) -> None:
        """Keep the fates up to this step: the steps after a checkpoint are repeated."""
        kept = [fate for fate in self.fates() if fate.step <= step]
        storage.write_bytes(str(self._path), "".join(f"{fate.model_dump_json()}\n" for fate in kept).encode())

    def add(self, fates: list[Fate]) -> None:
        json_lines.append(self._path, [fate.model_dump_json() for fate in fates])

    def fates(self) -> list[Fate]:
        """All fates, without an incomplete last line, which a kill may leave."""
        return [Fate.model_validate_json(line) for line in json_lines.read(self._path)]
