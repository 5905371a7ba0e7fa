"""What a config would take, worked out by hand from its settings and the rates of an acceptance."""

import pytest

from schemas.acceptance import Rates
from schemas.config import PipelineConfig
from tasks.making.model_size import parameters_in
from tasks.making.stage import Name, Work
from tasks.pipeline.expectations import Hours, hours_of, seen_by_students, work_of
from tasks.pipeline.graph import stages_of
from tests.support.pretend import PretendRun

RATES = Rates(
    parameters=1000,
    accelerator="GPU",
    training_devices=4,
    engine_devices=2,
    engines=3,
    together=False,
    training_tokens_per_second=100.0,
    generated_tokens_per_second=50.0,
    update_seconds=10.0,
)
HOUR = 3600


def config(root: str, **sections: object) -> PipelineConfig:
    optimiser = {"lr": 1e-3}
    document = {
        "name": "test",
        "snapshot": "enwiki-20261101",
        "dump": "dump.xml.bz2",
        "ramp": {"rl_share": 0.1, "splits": "held_out"},
        "agent": {"max_searches": 2, "max_turn_tokens": 10, "max_tokens": 100},
        "teacher": {},
        "tokenizer": {"vocabulary": 400},
        "model": {"hidden": 32, "layers": 2, "heads": 2, "intermediate": 64},
        "training": [
            {
                "name": "sft",
                "kind": "sft",
                "curriculum": [{"max_masks": 1, "steps": 5}],
                "tokens_per_step": 200,
                "optimiser": optimiser,
            },
            {
                "name": "evolved",
                "kind": "self_evolution",
                "questions": 40,
                "sft": {"curriculum": [{"max_masks": 1, "steps": 3}], "tokens_per_step": 200, "optimiser": optimiser},
            },
            {
                "name": "rl",
                "kind": "dapo",
                "prompts": 4,
                "group": 2,
                "curriculum": [{"max_masks": 1, "steps": 6}],
                "optimiser": optimiser,
            },
        ],
        "evaluation": {"sets": {"ramp": {"per_level": 8}}},
        "runtime": {"root": root},
    }
    return PipelineConfig.model_validate({**document, **sections})


def expected(settings: PipelineConfig) -> dict[Name, Work]:
    return work_of(settings, stages_of(settings))


def test_the_work_of_each_stage_is_what_the_settings_say(tmp_path):
    work = expected(config(str(tmp_path)))
    assert work["models", "sft"].tokens == 5 * 200
    assert work["models", "evolved"].tokens == 3 * 200
    # Three turns of 10 tokens each, which is less than a rollout may have in all.
    assert work["trajectories", "evolved"] == Work(rows=40, generated=40 * 30, is_bound=True)
    dapo = work["models", "rl"]
    assert (dapo.rows, dapo.generated, dapo.tokens, dapo.updates) == (48, 48 * 30, 48 * 100, 6)
    assert work["answers", "ramp.rl.none"].rows == 8 * 4 * 2, "four numbers of masks, greedily and sampled"
    assert set(work) <= {stage.name for stage in stages_of(config(str(tmp_path)))}


def test_a_teacher_has_as_many_rows_as_it_is_asked_questions_and_no_hours_here(tmp_path):
    asked = {"kind": "multi_agent", "questions": 70, "rollouts": 2}
    work = expected(config(str(tmp_path), teacher=asked))["trajectories", "multi_agent"]
    assert work == Work(rows=140)
    assert hours_of(work, RATES, 1.0) is None
    assert ("trajectories", "scripted") not in expected(config(str(tmp_path))), "nothing tells how many there will be"


def test_rollouts_are_as_long_as_the_last_students(tmp_path):
    run = PretendRun(str(tmp_path))
    settings = config(str(tmp_path), snapshot=run.ledger.snapshot)
    assert seen_by_students(settings) is None
    run.trajectories("evolved", 0.5)
    manifest = run.ledger.manifest("trajectories", "evolved")
    assert manifest is not None
    told = manifest.model_copy(update={"figures": {"yield": 0.5, "mean_tokens": 80.0, "mean_generated": 20.0}})
    (tmp_path / settings.snapshot / "trajectories/evolved/stage.json").write_text(told.model_dump_json())
    seen = seen_by_students(settings)
    assert seen is not None
    assert seen.accepted == 0.5
    dapo = expected(settings)["models", "rl"]
    assert (dapo.generated, dapo.tokens, dapo.is_bound) == (48 * 20, 48 * 80, False)


def test_training_takes_tokens_over_the_rate_on_all_ranks():
    assert hours_of(Work(tokens=100 * HOUR), RATES, 1.0) == Hours(1.0, 4.0)
    assert hours_of(Work(tokens=100 * HOUR), RATES, 2.0) == Hours(2.0, 8.0), "twice the parameters"


def test_rollouts_take_tokens_over_the_rate_of_all_engines():
    assert hours_of(Work(generated=3 * 50 * HOUR), RATES, 1.0) == Hours(1.0, 6.0)


def test_dapo_holds_ranks_and_engines_and_its_parts_take_turns():
    work = Work(tokens=100 * HOUR, passes=2.0, generated=3 * 50 * HOUR, updates=360)
    assert hours_of(work, RATES, 1.0) == Hours(4.0, 40.0), "two hours of training, one of rollouts, one of updates"
    assert hours_of(work._replace(staleness=1), RATES, 1.0) == Hours(3.0, 30.0), "rollouts beside the rest"
    together = RATES.model_copy(update={"together": True})
    assert hours_of(work._replace(staleness=1), together, 1.0) == Hours(4.0, 24.0), (
        "on the same devices they take turns"
    )


@pytest.mark.parametrize("missing", ["training_tokens_per_second", "generated_tokens_per_second", "update_seconds"])
def test_no_hours_where_a_rate_is_missing(missing):
    work = Work(tokens=1, generated=1, updates=1)
    assert hours_of(work, RATES, 1.0) is not None
    assert hours_of(work, RATES.model_copy(update={missing: None}), 1.0) is None
    assert hours_of(Work(tokens=1), RATES.model_copy(update={"generated_tokens_per_second": None}), 1.0) is not None


def test_a_model_that_cannot_be_read_has_no_number_of_parameters(tmp_path):
    assert parameters_in(config(str(tmp_path), model={"path": str(tmp_path / "nowhere")})) is None
    small = parameters_in(config(str(tmp_path)))
    assert small is not None
    assert small > 400 * 32
