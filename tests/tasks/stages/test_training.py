"""A list of steps as stages: what each begins with and trains on, in which order they stand, and who is evaluated."""

from typing import Any

import pytest

from schemas.config import PipelineConfig
from schemas.errors import BadInput
from tasks.evaluation.scores import Side
from tasks.pipeline.graph import Stage, stages_of
from tasks.report.document import pairs_of

OPTIMISER = {"lr": 0.1}
SFT = {"curriculum": [{"steps": 1}], "optimiser": OPTIMISER}


def step(name: str, kind: str, **settings: Any) -> dict[str, Any]:
    trained = {"sft": SFT} if kind in ("self_evolution", "rejection_sampling") else SFT
    return {"name": name, "kind": kind, **trained, **settings}


TREE = [
    {"name": "base", "kind": "language_modelling", "steps": 1, "optimiser": OPTIMISER},
    step("ramp-sft", "sft"),
    step("round-1", "self_evolution"),
    step("round-2", "self_evolution", student_weight=0.5),
    step("qa-sft", "sft", on="quiz"),
    step("qa-round", "self_evolution", on="quiz", split="train"),
    step("qa-only", "sft", on="quiz", **{"from": "base"}),
    step("qa-own", "rejection_sampling", on="quiz", split="train", **{"from": "ramp-sft"}),
    step("qa-rl", "dapo", on="quiz", split="train", **{"from": "qa-only"}),
]


def config(**sections: Any) -> PipelineConfig:
    document = {
        "name": "list",
        "snapshot": "smallworld-20260101",
        "world": {"families": {"train": 1, "rl": 1, "test": 1}},
        "sets": {"quiz": {"path": "quiz.jsonl", "shares": {"train": 0.5, "test": 0.5}}},
        "teacher": {},
        "tokenizer": {},
        "model": {},
        "training": TREE,
        "evaluation": {"sets": {"ramp": {}, "quiz": {}}},
        "runtime": {"root": "nowhere"},
    }
    return PipelineConfig.model_validate({**document, **sections})


@pytest.fixture(scope="module")
def stages() -> dict[str, Stage]:
    return {str(stage): stage for stage in stages_of(config())}


def upstreams(stages: dict[str, Stage], name: str, of: str) -> list[str]:
    return [label for stage, label in stages[name].upstreams if stage == of]


@pytest.mark.parametrize(
    ("model", "begins_with"),
    [
        ("base", "untrained"),
        ("ramp-sft", "base"),
        ("round-2", "round-1"),
        ("qa-sft", "round-2"),
        ("qa-only", "base"),
        ("qa-own", "ramp-sft"),
        ("qa-rl", "qa-only"),
    ],
)
def test_a_step_begins_with_the_one_before_or_with_the_one_that_it_names(
    stages: dict[str, Stage], model: str, begins_with: str
) -> None:
    assert upstreams(stages, f"models/{model}", "models") == [begins_with]


@pytest.mark.parametrize(
    ("model", "trajectories"),
    [
        ("ramp-sft", ["scripted"]),
        ("round-1", ["scripted", "round-1"]),
        ("round-2", ["scripted", "round-1", "round-2"]),
        ("qa-sft", ["quiz-scripted"]),
        ("qa-round", ["quiz-scripted", "qa-round"]),
        ("qa-own", ["qa-own"]),
        ("qa-rl", []),
    ],
)
def test_a_step_trains_on_the_trajectories_of_its_set_and_of_its_own_branch(
    stages: dict[str, Stage], model: str, trajectories: list[str]
) -> None:
    assert upstreams(stages, f"models/{model}", "trajectories") == trajectories


@pytest.mark.parametrize(
    ("name", "questions", "model"),
    [
        ("trajectories/round-2", "v1", "round-1"),
        ("trajectories/qa-round", "quiz", "qa-sft"),
        ("trajectories/qa-own", "quiz", "ramp-sft"),
        ("models/qa-rl", "quiz", "qa-only"),
        ("trajectories/quiz-scripted", "quiz", None),
    ],
)
def test_what_samples_asks_the_questions_of_its_set(
    stages: dict[str, Stage], name: str, questions: str, model: str | None
) -> None:
    assert upstreams(stages, name, "questions") == [questions]
    assert upstreams(stages, name, "models") == ([] if model is None else [model])


def test_the_teacher_weighs_one_and_the_student_what_its_step_says(stages: dict[str, Stage]) -> None:
    evolved: Any = stages["models/round-2"]
    assert [evolved.weight_of(place) for place in range(3)] == [1.0, 0.5, 0.5]
    tuned: Any = stages["models/ramp-sft"]
    assert tuned.weight_of(0) == 1.0


def test_models_stand_in_the_order_of_the_list(stages: dict[str, Stage]) -> None:
    models = [stage.label for stage in stages.values() if stage.stage == "models"]
    assert models == ["untrained", *(each["name"] for each in TREE)]


def test_all_models_answer_each_set_and_the_last_of_the_main_branch_in_other_ways(stages: dict[str, Stage]) -> None:
    answers = [stage.label for stage in stages.values() if stage.stage == "answers"]
    live = ["untrained", *(each["name"] for each in TREE)]
    assert answers == [
        *(f"ramp.{model}" for model in live),
        *("ramp.round-2.none", "ramp.round-2.random"),
        *(f"quiz.{model}" for model in live),
        *("quiz.qa-round.none", "quiz.qa-round.random", "quiz.qa-round.rag"),
    ]


def test_named_contestants_take_the_place_of_these() -> None:
    named = [{"model": "start"}, {"model": "qa-rl", "way": "direct"}, {"model": "qa-rl", "way": "rag"}]
    found = stages_of(config(evaluation={"sets": {"quiz": {"contestants": named}}}))
    assert [stage.label for stage in found if stage.stage == "answers"] == [
        *("quiz.untrained", "quiz.qa-rl.direct", "quiz.qa-rl.rag")
    ]


def known(model: dict[str, str], **asked: Any) -> list[str]:
    """The labels of the answers to a set that belong to no default contestant."""
    found = stages_of(config(model=model, evaluation={"sets": {"quiz": {"contestants": [], **asked}, "ramp": {}}}))
    return [stage.label for stage in found if stage.stage == "answers" and not stage.label.startswith("ramp.")]


def test_a_published_start_is_asked_what_it_knows_without_a_search() -> None:
    published = {"path": "models/published"}
    assert known(published) == known(published, known_by="start") == ["quiz.untrained.direct"]
    assert known(published, known_by=None) == []
    assert known(published, known_by="base") == known({}, known_by="base") == ["quiz.base.direct"]
    assert known({}) == [], "random weights know nothing, and cost nothing"
    direct = {"model": "start", "way": "direct"}
    assert known(published, contestants=[direct]) == ["quiz.untrained.direct"], "named already"


@pytest.mark.parametrize(
    ("evaluated", "said"),
    [
        ({"quiz": {"known_by": "start"}}, r"quiz\.known_by start: the config's model begins from random weights"),
        ({"quiz": {"known_by": "nobody"}}, r"quiz\.known_by names the model 'nobody': choose one of start, base"),
        ({"ramp": {"known_by": "base"}}, r"ramp\.known_by: remove it: only questions of a set"),
    ],
)
def test_what_is_known_by_a_model_that_cannot_know_is_refused(evaluated: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        config(evaluation={"sets": evaluated})


def test_a_model_is_compared_with_its_origin_and_branches_by_their_ends() -> None:
    sides = [Side(model=each["name"], way="agent", retrieval="live") for each in TREE]
    rag = Side(model="qa-round", way="rag", retrieval="live")
    pairs = {(a.model, b.model, b.way) for a, b in pairs_of(config(), [*sides, rag])}
    assert {("ramp-sft", "base", "agent"), ("qa-only", "base", "agent"), ("qa-own", "ramp-sft", "agent")} <= pairs
    assert {("qa-round", "qa-own", "agent"), ("qa-round", "qa-rl", "agent"), ("qa-round", "qa-round", "rag")} <= pairs
    assert ("qa-only", "qa-round", "agent") not in pairs


@pytest.mark.parametrize("key", ["models", "ramp-sft", "quizz-scripted", "questions/quizz", "answers"])
def test_a_label_that_no_stage_would_use_is_refused(key: str) -> None:
    with pytest.raises(BadInput, match=f"labels: no stage is named '{key}'"):
        stages_of(config(labels={key: "other"}))


@pytest.mark.parametrize(
    ("key", "stage"), [("quiz-scripted", "trajectories"), ("questions/quiz", "questions"), ("untrained", "models")]
)
def test_a_label_of_a_set_is_used(key: str, stage: str) -> None:
    assert (stage, "other") in {found.name for found in stages_of(config(labels={key: "other"}))}
