"""A training is whole where each step and each prompt is there once; what is not is told by name."""

import json
from pathlib import Path

import pytest

from schemas.training_settings import CurriculumPhase, DapoSettings, OptimiserSettings
from trainers.rl.accounting import wrong_prompts, wrong_steps
from trainers.rl.generation import Cursor
from trainers.rl.prompt_ledger import Drop, Fate, PromptLedger
from trainers.rl.prompts import Place

SETTINGS = DapoSettings(curriculum=[CurriculumPhase(max_masks=4, steps=3)], optimiser=OptimiserSettings(lr=1e-3))


def steps(folder: Path, *numbers: int) -> list[str]:
    (folder / "metrics.jsonl").write_text("".join(f'{{"step": {number}}}\n' for number in numbers))
    return wrong_steps(str(folder), SETTINGS)


def test_each_step_is_there_once(tmp_path):
    assert steps(tmp_path, 1, 2, 3) == []
    assert steps(tmp_path, 1, 3) == ["step 2 is missing"]
    assert steps(tmp_path, 1, 2, 2, 3) == ["step 2 occurs 2 times"]
    assert steps(tmp_path, 1, 2, 3, 4) == ["step 4 was not drawn"]


def fate(position: int, bound: int = 4, reason: Drop | None = None) -> Fate:
    outcome = "dropped" if reason else "used"
    return Fate(step=1, bound=bound, position=position, question_id=f"q{position}", outcome=outcome, reason=reason)


def prompts(folder: Path, fates: list[Fate], cursor: Cursor) -> list[str]:
    ledger = PromptLedger(folder / "prompts.jsonl")
    ledger.go_on_from(0)
    ledger.add(fates)
    for step in (1, 2):  # the newest checkpoint counts
        checkpoint = folder / "checkpoints" / f"step-{step:08d}"
        checkpoint.mkdir(parents=True, exist_ok=True)
        told = cursor if step == 2 else Cursor()
        (checkpoint / "progress.json").write_text(json.dumps({"cursor": told.model_dump(mode="json")}))
    return wrong_prompts(str(folder))


def test_a_prompt_has_a_fate_or_waits(tmp_path):
    cursor = Cursor(bound=4, position=4, in_flight=[Place(4, 3)])
    assert prompts(tmp_path, [fate(0), fate(1, reason=Drop.EQUAL), fate(2)], cursor) == []


@pytest.mark.parametrize(
    ("positions", "said"), [([0, 2], "is missing"), ([0, 1, 1, 2], "occurs 2 times"), ([0, 1, 2, 9], "was not drawn")]
)
def test_a_lost_doubled_or_unknown_prompt_is_reported(tmp_path, positions, said):
    cursor = Cursor(bound=4, position=3)
    (wrong,) = prompts(tmp_path, [fate(position) for position in positions], cursor)
    assert said in wrong


def test_prompts_of_an_earlier_phase_are_counted_too(tmp_path):
    cursor = Cursor(bound=4, position=1)
    assert prompts(tmp_path, [fate(0, 1), fate(1, 1), fate(0)], cursor) == []
    assert len(prompts(tmp_path, [fate(1, 1), fate(0)], cursor)) == 1
