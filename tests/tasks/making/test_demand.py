"""Questions that do not suffice for what a config asks are reported as soon as they are made, or by their figures."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from schemas.config import PipelineConfig
from schemas.errors import BadInput
from schemas.records import Question, Split
from schemas.training_settings import AskedQuestions
from tasks.ledger import storage
from tasks.ledger.ledger import Ledger
from tasks.making.asked import is_asked
from tasks.making.context import Making
from tasks.making.demand import demand_of
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


def sft(*phases: dict[str, int]) -> dict[str, Any]:
    return {"name": "sft", "kind": "sft", "curriculum": list(phases), "optimiser": OPTIMISER}


def config_of(root: Path = Path("nowhere"), *steps: dict[str, Any], **sections: Any) -> PipelineConfig:
    document = {
        "name": "demand",
        "snapshot": SNAPSHOT,
        "dump": "nowhere",
        "certified_only": False,
        "ramp": {"masks": [1, 2]},
        "teacher": {},
        "tokenizer": {},
        "model": {},
        "training": steps if steps and steps[0]["name"] == "sft" else [sft(phase_of(1), phase_of(2)), *steps],
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
    trained = {"curriculum": [], "optimiser": OPTIMISER}
    return {"name": "evolved", "kind": "self_evolution", "questions": 3, "sft": trained, **settings}


def dapo(max_masks: int = 2, **settings: Any) -> dict[str, Any]:
    phases = [phase_of(max_masks)]
    return {"name": "rl", "kind": "dapo", "curriculum": phases, "optimiser": OPTIMISER, **settings}


def evaluation(per_level: int, split: str = "test") -> dict[str, Any]:
    return {"evaluation": {"sets": {"ramp": {"per_level": per_level, "split": split}}}}


def exact(config: PipelineConfig) -> list[str]:
    shortages: list[str] = []
    assert list(demand_of(config, "ramp").counted(ALL, shortages)) == ALL
    return shortages


SHORT: list[tuple[list[dict[str, Any]], dict[str, Any], list[str]]] = [
    ([], evaluation(10), []),
    ([], evaluation(11), ["evaluation.sets.ramp.per_level needs 11", "with 1: make", "with 2: make"]),
    ([], evaluation(1, "dev"), ["evaluation.sets.ramp: the split dev has no question"]),
    ([], {**evaluation(5), "ramp": {"masks": [1, 2, 3]}}, ["the split test has 0 with 3"]),
    ([], {**evaluation(5), "certified_only": True}, ["the split test has no question", "teacher.splits (train)"]),
    ([], {"teacher": {"splits": ["dev"]}}, ["training.sft: teacher.splits (dev) has no question"]),
    (
        [sft(phase_of(4))],
        {},
        ["training.sft.curriculum has phases of up to 4 masks, but teacher.splits (train) has no question with that"],
    ),
    ([evolution(questions=21)], {}, ["training.evolved.questions needs 21 questions, but the split rl"]),
    ([evolution(split="train", questions=5)], {}, []),
    ([evolution(split="dev")], {}, ["the split dev has 0 for it"]),
    ([dapo()], {}, []),
    ([dapo(3)], {}, ["training.rl.curriculum has phases of up to 3 masks, but the split rl has no question"]),
]


@pytest.mark.parametrize(("steps", "sections", "said"), SHORT)
def test_a_shortage_is_named_by_its_setting(
    steps: list[dict[str, Any]], sections: dict[str, Any], said: list[str]
) -> None:
    config = config_of(Path("nowhere"), *steps, **sections)
    for shortages in (exact(config), demand_of(config, "ramp").shortages_by_figures(figures_of(ALL))):
        assert bool(shortages) == bool(said)
        for words in said:
            assert words in "; ".join(shortages)


def test_shares_are_counted_exactly_when_questions_are_made() -> None:
    half = sum(is_asked(row, AskedQuestions(share=(0.0, 0.5))) for row in ALL)
    assert 0 < half < 20
    enough = config_of(Path("nowhere"), evolution(share=[0.0, 0.5], questions=half), dapo(share=[0.5, 1.0]))
    assert exact(enough) == []
    more = config_of(Path("nowhere"), evolution(share=[0.0, 0.5], questions=half + 1))
    assert [f"has {half} for it: widen training.evolved.share" in words for words in exact(more)] == [True]
    nothing = config_of(Path("nowhere"), dapo(share=[0.5, 0.5001]))
    assert ["training.rl: the split rl, share [0.5, 0.5001], has no question" in words for words in exact(nothing)] == [
        True
    ]


def test_finished_questions_that_do_not_suffice_stop_a_run_before_it_trains(tmp_path: Path) -> None:
    config = config_of(tmp_path, **evaluation(11))
    ledger = Ledger(str(tmp_path), SNAPSHOT)
    stages = {str(stage): stage for stage in stages_of(config)}
    for stage in stages.values():
        recipe = stage.recipe(ledger)
        assert recipe is not None
        figures = figures_of(ALL) if stage.stage == "questions" else {}
        ledger.open(recipe).finish(parts={}, figures=figures)
        if stage.stage == "questions":
            break
    with pytest.raises(BadInput, match=r"evaluation\.sets\.ramp\.per_level needs 11"):
        refuse_unready([stages["trajectories/scripted"]])
    (enough,) = TeacherStage.of(config_of(tmp_path, **evaluation(10)))
    refuse_unready([enough])


def test_steps_whose_shares_do_not_overlap_ask_different_questions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sampled = evolution(share=[0.0, 0.5])
    config = config_of(tmp_path, sampled, dapo(share=[0.5, 1.0]))
    part = str(tmp_path / "part.parquet")
    storage.write_rows(part, Question, ALL)
    monkeypatch.setattr(Making, "upstream_paths", lambda making, stage: [part])
    (stage,) = DapoStage.of(config)
    making = Making(config.runtime, Ledger(str(tmp_path), SNAPSHOT), None, print, ExitStack())  # type: ignore[arg-type]
    given = {question.question_id for question in stage.questions(making)}
    rl = {row.question_id for row in ALL if row.split == Split.RL}
    sampled_from = {row.question_id for row in ALL if is_asked(row, AskedQuestions(share=(0.0, 0.5)))}
    assert given and sampled_from
    assert given == rl - sampled_from
