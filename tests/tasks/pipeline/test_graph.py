"""Which stages the settings of RAMP bring, and what their questions are known by."""

from pathlib import Path
from typing import Any

import pytest

from schemas.config import PipelineConfig
from schemas.errors import BadInput
from tasks.pipeline import graph
from tasks.pipeline.graph import Stage, stages_of


def stages(root: Path, teacher: Any = None, tokenizer: Any = None, model: Any = None, **ramp: Any) -> dict[str, Stage]:
    config = PipelineConfig.model_validate(
        {
            "name": "graph",
            "snapshot": "testwiki-20260101",
            "dump": "nowhere",
            "ramp": ramp,
            "teacher": teacher,
            "tokenizer": tokenizer,
            "model": model,
            "runtime": {"root": str(root)},
        }
    )
    return {stage.stage: stage for stage in stages_of(config)}


def upstreams(stage: Stage) -> set[str]:
    return {name for name, _ in stage.upstreams}


PLAIN = {"dump", "aliases", "passages", "index"}


@pytest.mark.parametrize(
    ("ramp", "more"),
    [
        ({}, set()),
        ({"spans": {"backend": "llm"}}, {"spans"}),
        ({"spans": {"backend": "spacy", "model": "tiny"}, "reference": {"path": "a"}}, {"spans", "surprisals"}),
        ({"reference": {"path": "a"}, "strategy": "mixed"}, {"surprisals"}),
        ({"leaks": {"sets": ["qa/a.json"]}}, {"leaks"}),
        ({"masks_of": "testwiki-20250101"}, {"earlier_questions"}),
        ({"masks_of": "testwiki-20250101", "leaks": {"sets": ["qa/a.json"]}}, {"earlier_questions", "leaks"}),
        ({"changed_since": "testwiki-20250101"}, set()),
    ],
)
def test_questions_are_made_from_what_the_settings_ask_to_know_of_spans(tmp_path, ramp, more):
    found = stages(tmp_path, **ramp)
    assert upstreams(found["questions"]) == PLAIN | more
    assert ("changes" in found) == ("changed_since" in ramp)
    if "spans" in more and "surprisals" in more:
        assert "spans" in upstreams(found["surprisals"]), "what is weighed is what may be masked"


def test_locations_of_models_and_sets_are_not_part_of_the_identity(tmp_path):
    def given(**ramp):
        found = stages(tmp_path, **ramp)
        return {name: found[name].reads.given for name in ("questions", "surprisals", "leaks")}

    def asked(folder, **more):
        return given(reference={"path": f"{folder}/model", **more}, leaks={"sets": [f"{folder}/qa/a.json"]})

    assert asked("here") == asked("elsewhere")
    assert asked("here") != asked("here", max_tokens=100), "which texts are read is"
    other = given(reference={"path": "here/model"}, leaks={"sets": ["here/qa/b.json"]})
    assert other["leaks"] != asked("here")["leaks"], "which sets there are is"


@pytest.mark.parametrize("kind", ["scripted", "multi_agent"])
def test_the_teacher_is_made_with_the_tokenizer_of_the_student_if_there_is_one(tmp_path, kind):
    def taught(**more):
        found = stages(tmp_path, teacher={"kind": kind}, **more)
        names = list(found)
        assert "tokenizer" not in found or names.index("tokenizer") < names.index("trajectories")
        return upstreams(found["trajectories"])

    assert taught() == {"index", "questions"}
    assert taught(tokenizer={}) == taught(tokenizer={}, model={}) == {"tokenizer", "index", "questions"}


def test_a_missing_reference_is_reported_before_a_model_is_started(tmp_path):
    config = {
        "name": "graph",
        "snapshot": "testwiki-20260101",
        "dump": "nowhere",
        "ramp": {"reference": {"path": str(tmp_path / "nothing")}},
        "runtime": {"root": str(tmp_path / "root")},
    }
    settings = PipelineConfig.model_validate(config)
    (reference,) = [stage for stage in stages_of(settings) if stage.stage == "reference"]
    with pytest.raises(BadInput, match=r"ramp\.reference\.path .*no model there"):
        graph.make(settings, reference, lambda progress: None)


@pytest.mark.parametrize(
    ("ramp", "said"),
    [
        ({"strategy": "perplexity"}, r"strategy perplexity needs ramp\.reference\.path"),
        ({"masks_of": "testwiki-20250101", "reference": {"path": "a"}}, "masks_of takes questions as they are"),
        ({"masks_of": "testwiki-20250101", "spans": {"kind": "llm"}}, "masks_of takes questions as they are"),
        ({"leaks": {"words": 20}}, r"ramp\.leaks\.words would not be read: no set of the config's sets"),
        ({"leaks": {"sets": ["a.json"], "evidence": True}}, r"ramp\.leaks\.evidence would not be read"),
        ({"leaks": {"unchecked": ["quiz"]}}, r"ramp\.leaks\.unchecked names the set 'quiz'.* the config has no sets"),
        ({"changed_since": "yesterday"}, "a snapshot is named wiki-YYYYMMDD"),
    ],
)
def test_settings_that_cannot_be_followed_are_refused(tmp_path, ramp, said):
    with pytest.raises(ValueError, match=said):
        stages(tmp_path, **ramp)


def test_a_label_of_no_stage_is_refused():
    config = PipelineConfig.model_validate(
        {
            "name": "graph",
            "snapshot": "testwiki-20260101",
            "dump": "nowhere",
            "labels": {"question": "v2"},
            "runtime": {"root": "root"},
        }
    )
    with pytest.raises(BadInput, match="labels: no stage is named 'question': the stages are dump, redirects"):
        stages_of(config)


def test_models_trained_on_the_train_split_depend_on_its_settings(tmp_path):
    """A base model of pages that are test pages by now must not be reused, whatever label the questions have."""

    def given(**ramp):
        config = PipelineConfig.model_validate(
            {
                "name": "graph",
                "snapshot": "testwiki-20260101",
                "dump": "nowhere",
                "ramp": {"splits": "held_out", **ramp},
                "tokenizer": {},
                "model": {},
                "training": [{"name": "base", "kind": "language_modelling", "steps": 1, "optimiser": {"lr": 0.1}}],
                "runtime": {"root": str(tmp_path)},
            }
        )
        return {str(stage): stage.reads.given for stage in stages_of(config)}

    before = given()
    for changed in ({"held_out_share": 0.1}, {"rl_share": 0.2}):
        after = given(**changed)
        assert {name for name in before if before[name] != after[name]} == {
            *("questions/v1", "tokenizer/v1", "models/base")
        }
