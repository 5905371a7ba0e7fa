"""Checks that a finished DAPO training, even after kills and restarts, has each step and each prompt exactly once."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from schemas.training_settings import DapoSettings
from trainers.model.metrics import Metrics
from trainers.rl.generation import Cursor
from trainers.rl.prompt_ledger import PromptLedger
from trainers.rl.prompts import Place


def wrong_steps(output: str, settings: DapoSettings) -> list[str]:
    """Messages about missing or repeated steps in a finished training's metrics; empty if there are none."""
    recorded = [line["step"] for line in Metrics(Path(output) / "metrics.jsonl").lines()]
    return _wrong(Counter(recorded), Counter(range(1, settings.steps + 1)), "step")


def wrong_prompts(output: str) -> list[str]:
    """Messages about prompts before the newest checkpoint's cursor that are missing or recorded more than once.

    Each of them must have one fate, be in flight, or be carried to a later step.
    """
    fates = PromptLedger(Path(output) / "prompts.jsonl").fates()
    newest = max(Path(output, "checkpoints").glob("step-*"))
    cursor = Cursor.model_validate(json.loads((newest / "progress.json").read_text())["cursor"])
    recorded = Counter(Place(fate.bound, fate.position) for fate in fates)
    recorded.update(cursor.in_flight)
    recorded.update(group.place for group in cursor.carried)
    ends = {masks: max(place.position for place in recorded if place.bound == masks) + 1 for masks, _ in recorded}
    ends[cursor.bound] = cursor.position
    drawn = Counter(Place(masks, position) for masks, end in ends.items() for position in range(end))
    return _wrong(recorded, drawn, "prompt")


def _wrong(recorded: Counter[Any], expected: Counter[Any], what: str) -> list[str]:
    missing, more = expected - recorded, recorded - expected
    return [f"{what} {name} is missing" for name in sorted(missing)] + [
        f"{what} {name} occurs {recorded[name]} times" if expected[name] else f"{what} {name} was not drawn"
        for name in sorted(more)
    ]
