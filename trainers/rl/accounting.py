"""Whether a training by DAPO is whole, whatever happened to it: each step is there once, and so is each prompt."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from schemas.settings import DapoSettings
from trainers.model.metrics import Metrics
from trainers.rl.generation import Cursor
from trainers.rl.prompt_ledger import PromptLedger
from trainers.rl.prompts import Place


def wrong_steps(output: str, settings: DapoSettings) -> list[str]:
    """What is wrong with the steps that a finished training tells of, in words; empty where each is there once."""
    told = [line["step"] for line in Metrics(Path(output) / "metrics.jsonl").lines()]
    return _wrong(Counter(told), Counter(range(1, settings.steps + 1)), "step")


def wrong_prompts(output: str) -> list[str]:
    """What is wrong with the prompts up to where the newest checkpoint stands: each has one fate, or waits there."""
    fates = PromptLedger(Path(output) / "prompts.jsonl").fates()
    newest = max(Path(output, "checkpoints").glob("step-*"))
    cursor = Cursor.model_validate(json.loads((newest / "progress.json").read_text())["cursor"])
    told = Counter(Place(fate.max_masks, fate.position) for fate in fates)
    told.update(cursor.in_flight)
    told.update(group.place for group in cursor.carried)
    ends = {masks: max(place.position for place in told if place.max_masks == masks) + 1 for masks, _ in told}
    ends[cursor.max_masks] = cursor.position
    drawn = Counter(Place(masks, position) for masks, end in ends.items() for position in range(end))
    return _wrong(told, drawn, "prompt")


def _wrong(told: Counter[Any], wanted: Counter[Any], what: str) -> list[str]:
    missing, more = wanted - told, told - wanted
    return [f"{what} {name} is missing" for name in sorted(missing)] + [
        f"{what} {name} is there {told[name]} times" if wanted[name] else f"{what} {name} was never due"
        for name in sorted(more)
    ]
