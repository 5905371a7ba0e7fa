"""Questions that do not suffice for what a config asks are reported as soon as they are made, or by their figures."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from schemas.config import PipelineConfig
from schemas.errors import BadInput
from schemas.records import Question, Split
from tasks.ledger import storage
from tasks.ledger.ledger import Ledger
from tasks.making.context import Making
from tasks.making.demand import demand_of, is_kept_for_evolution
from tasks.pipeline.graph import stages_of
from tasks.pipeline.readiness import refuse_unready
from tasks.ramp.question_counts import figures_of
from tasks.stages.dapo import DapoStage
from tasks.stages.teacher import TeacherStage
from tests.support.examples import SNAPSHOT, ramp_question

TEXT, GOLDS = "Arlen lives in Kalo near Tovi.", ["Kalo", "Tovi"]
OPTIMISER = {"lr": 0.1}


def phase_of(max_masks: int) -> dict[str, int]:
    return {"max_masks": max_masks, "steps": 1}


def config_of(root: Path = Path("nowhere"), **sections: Any) -> PipelineConfig:
    document = {
        "name": "demand",
        "snapshot": SNAPSHOT,
        "dump": "nowhere",
        "certified_only": False,
        "ramp": {"masks": [1, 2]},
        "teacher": {},
        "tokenizer": {},
        "model": {},
        "sft": {"curriculum": [phase_of(1), phase_of(2)], "optimiser": OPTIMISER},
        "runtime": {"root": str(root)},
    }
    return PipelineConfig.model_validate({**document, **sections})


def questions(split: str, n_masks: int, count: int) -> list[Question]:
    return [
        ramp_question(TEXT, GOLDS[:n_masks], question_id=f"{split}-{n_masks}-{number}").model_copy(
            update={"split": Split(split)}
        )
        for number in range(count)
    ]


ALL = [row for split in ("train", "rl", "test") for n_masks in (1, 2) for row in questions(split, n_masks, 10)]


def evolution(**settings: Any) -> dict[str, Any]:
    return {"questions": 3, "sft": {"curriculum": [], "optimiser": OPTIMISER}, **settings}


def dapo(max_masks: int = 2) -> dict[str, Any]:
    return {"curriculum": [phase_of(max_masks)], "optimiser": OPTIMISER}


def exact(config: PipelineConfig) -> list[str]:
    shortages: list[str] = []
    assert list(demand_of(config).counted(ALL, shortages)) == ALL
    return shortages


SHORT: list[tuple[dict[str, Any], list[str]]] = [
    ({"evaluation": {"per_masks": 10}}, []),
    ({"evaluation": {"per_masks": 11}}, ["evaluation.per_masks needs 11", "with 1: make", "with 2: make"]),
    ({"evaluation": {"per_masks": 1, "split": "dev"}}, ["the split dev has 0 with 1", "the split dev has 0 with 2"]),
    ({"evaluation": {"per_masks": 5}, "ramp": {"masks": [1, 2, 3]}}, ["the split test has 0 with 3"]),
    (
        {"evaluation": {"per_masks": 5}, "certified_only": True},
        ["the split test has 0 with 1", "teacher.splits (train)"],
    ),
    ({"teacher": {"splits": ["dev"]}}, ["sft: teacher.splits (dev) has no question"]),
    (
        {"sft": {"curriculum": [phase_of(4)], "optimiser": OPTIMISER}},
        ["sft.curriculum has phases of up to 4 masks, but teacher.splits (train) has no question with that number"],
    ),
    ({"evolution": evolution(questions=21)}, ["evolution.questions needs 21 fresh questions, but the split rl"]),
    ({"evolution": evolution(split="train", questions=5)}, []),
    ({"evolution": evolution(split="dev")}, ["the split dev has 0 for it"]),
    ({"dapo": dapo()}, []),
    ({"dapo": dapo(3)}, ["dapo.curriculum has phases of up to 3 masks, but the split rl has no question"]),
]


@pytest.mark.parametrize(("sections", "said"), SHORT)
def test_a_shortage_is_named_by_its_setting(sections: dict[str, Any], said: list[str]) -> None:
    config = config_of(**sections)
    for shortages in (exact(config), demand_of(config).shortages_by_figures(figures_of(ALL))):
        assert bool(shortages) == bool(said)
        for words in said:
            assert words in "; ".join(shortages)


def test_shares_are_counted_exactly_when_questions_are_made() -> None:
    everything = config_of(evolution=evolution(share=1.0), dapo=dapo())
    assert ["dapo: the split rl, less evolution.share," in words for words in exact(everything)] == [True]
    nothing = config_of(evolution=evolution(share=0.0), dapo=dapo())
    assert ["has 0 for it" in words for words in exact(nothing)] == [True]
    elsewhere = config_of(evolution=evolution(share=1.0, split="train"), dapo=dapo())
    assert exact(elsewhere) == [], "a share of train takes nothing from DAPO's rl"


def test_finished_questions_that_do_not_suffice_stop_a_run_before_it_trains(tmp_path: Path) -> None:
    config = config_of(tmp_path, evaluation={"per_masks": 11})
    ledger = Ledger(str(tmp_path), SNAPSHOT)
    stages = {str(stage): stage for stage in stages_of(config)}
    for stage in stages.values():
        recipe = stage.recipe(ledger)
        assert recipe is not None
        figures = figures_of(ALL) if stage.stage == "questions" else {}
        ledger.open(recipe).finish(parts={}, figures=figures)
        if stage.stage == "questions":
            break
    with pytest.raises(BadInput, match=r"evaluation\.per_masks needs 11"):
        refuse_unready([stages["trajectories/scripted"]])
    (enough,) = TeacherStage.of(config_of(tmp_path, evaluation={"per_masks": 10}))
    refuse_unready([enough])


@pytest.mark.parametrize(("split", "is_shared"), [("rl", True), ("train", False)])
def test_dapo_has_all_of_rl_where_self_evolution_asks_another_split(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, split: str, is_shared: bool
) -> None:
    config = config_of(tmp_path, evolution=evolution(split=split, share=0.5), dapo=dapo())
    assert config.evolution is not None
    part = str(tmp_path / "part.parquet")
    storage.write_rows(part, Question, ALL)
    monkeypatch.setattr(Making, "upstream_paths", lambda making, stage: [part])
    (stage,) = DapoStage.of(config)
    making = Making(config.runtime, Ledger(str(tmp_path), SNAPSHOT), None, print, ExitStack())  # type: ignore[arg-type]
    given = {question.question_id for question in stage.questions(making)}
    rl = {row.question_id for row in ALL if row.split == Split.RL}
    kept = {row.question_id for row in ALL if is_kept_for_evolution(row, config.evolution)}
    assert bool(kept & rl) is is_shared
    assert given == rl - kept
