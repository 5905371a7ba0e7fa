"""Which questions an evaluation asks: as many of each number of masks that the config makes, or none at all."""

import pytest

from schemas.config import PipelineConfig
from schemas.corpus_settings import RampSettings
from schemas.errors import BadInput
from schemas.evaluation_settings import EvaluatedSet
from schemas.records import Question, Split
from tasks.evaluation.questions import chosen_questions
from tasks.ledger import storage
from tasks.ledger.ledger import Ledger
from tasks.pipeline import graph
from tests.support.examples import SNAPSHOT, ramp_question

TEXT, GOLDS = "Arlen lives in Kalo near Tovi.", ["Kalo", "Tovi"]


def _question(number: int, n_masks: int) -> Question:
    return ramp_question(TEXT, GOLDS[:n_masks], question_id=f"q{n_masks}-{number}").model_copy(
        update={"split": "test" if number < 6 else "dev"}
    )


QUESTIONS = [_question(number, n_masks) for n_masks in (2, 1) for number in range(9)]


def test_questions_are_as_many_of_each_number_of_masks_and_of_the_split_alone():
    settings = EvaluatedSet(per_level=4)
    chosen = chosen_questions(QUESTIONS, "ramp", settings, 1, [1, 2])
    assert [question.n_masks for question in chosen] == [1] * 4 + [2] * 4
    assert {question.split for question in chosen} == {"test"}
    assert chosen == chosen_questions(reversed(QUESTIONS), "ramp", settings, 1, [2, 1])


def test_a_set_is_asked_by_its_hops_or_whole():
    rows = [
        question.model_copy(update={"kind": "qa", "n_masks": 0, "hops": question.n_masks}) for question in QUESTIONS
    ]
    asked = chosen_questions(rows, "hotpotqa", EvaluatedSet(per_level=2), 1, None)
    assert [question.hops for question in asked] == [1, 1, 2, 2]
    whole = chosen_questions(rows, "hotpotqa", EvaluatedSet(per_level=None), 1, None)
    assert len(whole) == len([row for row in rows if row.split == "test"])
    with pytest.raises(BadInput, match=r"evaluation\.sets\.hotpotqa: the split rl has no question"):
        chosen_questions(rows, "hotpotqa", EvaluatedSet(split=Split.RL), 1, None)


@pytest.mark.parametrize(("per_level", "masks", "said"), [(7, [1, 2], "has 6 with 1"), (4, [1, 2, 3], "has 0 with 3")])
def test_too_few_questions_of_a_number_of_masks_are_refused(per_level, masks, said):
    with pytest.raises(BadInput, match=said) as error:
        chosen_questions(QUESTIONS, "ramp", EvaluatedSet(per_level=per_level), 1, masks)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("masks", [[], [1, 2, 1]])
def test_numbers_of_masks_are_named_once_each(masks):
    with pytest.raises(ValueError, match="at least one number of masks, and each number once"):
        RampSettings(masks=masks)


def test_a_number_of_masks_without_questions_is_reported_before_any_engine_starts(tmp_path, monkeypatch):
    """Every model would answer, and the gate would ask for more than there are, however often one runs again."""
    optimiser = {"lr": 0.1}
    document = {
        "name": "evaluation",
        "snapshot": SNAPSHOT,
        "dump": "nowhere",
        "certified_only": False,
        "teacher": {},
        "tokenizer": {},
        "model": {},
        "training": [{"name": "sft", "kind": "sft", "curriculum": [], "optimiser": optimiser}],
        "evaluation": {"sets": {"ramp": {"per_level": 4}}},
        "runtime": {"root": str(tmp_path)},
    }
    config = PipelineConfig.model_validate(document)
    ledger = Ledger(str(tmp_path), SNAPSHOT)
    stages = {str(stage): stage for stage in graph.stages_of(config)}
    for stage in stages.values():
        if stage.stage == "answers":
            break
        recipe = stage.recipe(ledger)
        assert recipe is not None
        opened = ledger.open(recipe)
        rows = QUESTIONS if stage.stage == "questions" else []
        opened.finish(parts={"0": opened.parts(Question).commit("0", rows, [], {}, 0.0)})
    with pytest.raises(BadInput, match="the split test has 0 with 3"):
        graph.make(config, stages["answers/ramp.untrained"], lambda progress: None)
    assert storage.names_in(f"{tmp_path}/{SNAPSHOT}/jobs") == []
