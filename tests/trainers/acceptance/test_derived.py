"""The small pipeline takes runtime and arithmetic from the config, and says in one line what it cannot try."""

from pathlib import Path

import pytest

from schemas.config import read_config
from schemas.errors import BadInput
from schemas.sizes import SIZES
from schemas.training_steps import DapoStep
from tasks.pipeline.graph import stages_of
from trainers.acceptance.derived import (
    derived,
    devices_of,
    in_flight_of_step,
    rolling_agent,
    victims_of,
    victims_of_sft,
)

CONFIGS = Path(__file__).parents[3] / "deploy" / "configs"
DISTRIBUTED = {"runtime": {"placement": {"layout": "distributed", "engines": 2, "searchers": 2}}}


@pytest.fixture(autouse=True)
def a_cluster(monkeypatch):
    """Only named: nothing here asks it."""
    monkeypatch.setenv("RAY_ADDRESS", "head:6379")


def sample(**overrides):
    return read_config(CONFIGS / "sample.yaml", overrides)


def test_runtime_and_arithmetic_are_the_configs():
    placement = {"layout": "distributed", "engines": 2}
    given = {"engineering": {"dtype": "bf16", "zero_stage": 3}, "parity_tolerance_bf16": 0.05}
    config = sample(training={"ramp-rl": given}, runtime={"ranks": 3, "placement": placement})
    small = derived(config, "1.5B")
    assert small.runtime.model_copy(update={"root": config.runtime.root}) == config.runtime
    assert small.runtime.root.startswith("runs/sample/acceptance/1.5B-")
    (rl,) = [step for step in small.training if isinstance(step, DapoStep)]
    assert small.model is not None
    assert (rl.engineering.zero_stage, rl.largest_gap) == (3, 0.05)
    assert small.model == SIZES["1.5B"].model_copy(update={"dtype": "bf16"})
    assert [str(stage) for stage in stages_of(small)][-1] == "models/dapo"


def test_services_of_the_configs_index_are_not_asked_about_the_small_world():
    config = sample(runtime={"placement": {"search_urls": ["http://one:8600"]}})
    assert derived(config, "tiny").runtime.placement.search_urls == []
    assert config.runtime.placement.search_urls == ["http://one:8600"]


def test_other_settings_use_another_folder():
    roots = {
        derived(sample(**overrides), "tiny").runtime.root for overrides in ({}, {"runtime": {"ranks": 1}}, DISTRIBUTED)
    }
    assert len(roots) == 3


def test_one_of_each_kind_of_process_is_killed():
    assert victims_of(sample()) == ["main process"]
    assert victims_of_sft(sample()) == ["rank"]
    assert victims_of_sft(sample(runtime={"ranks": 1})) == []
    assert set(victims_of(sample(**DISTRIBUTED))) == {"main process", "rank", "engine", "searcher"}
    assert victims_of_sft(sample(**DISTRIBUTED)) == []


def test_devices_are_gpus_where_the_placement_asks_for_some():
    assert devices_of(sample(**DISTRIBUTED)) == ("CPU", 2, 2)
    distributed = {"layout": "distributed", "gpus_per_rank": 1, "gpus_per_engine": 1}
    gpus = sample(runtime={"ranks": 8, "engine": {"tensor_parallel": 4}, "placement": distributed})
    assert devices_of(gpus) == ("GPU", 8, 4)


def test_no_more_searches_are_in_flight_than_there_are_rollouts():
    assert in_flight_of_step(sample()) == 16 * 8, "fewer than the engine has room for"
    assert in_flight_of_step(sample(runtime={"engine": {"in_flight": 32}})) == 32


def test_lengths_are_the_configs_where_the_model_reaches_so_far():
    config = read_config(CONFIGS / "enwiki.yaml")
    assert rolling_agent(config, "7B") == config.agent
    assert rolling_agent(config, "tiny").max_tokens <= SIZES["tiny"].max_position


def test_a_placement_in_a_cluster_needs_to_know_which(monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS")
    with pytest.raises(BadInput, match="set RAY_ADDRESS"):
        derived(sample(**DISTRIBUTED), "tiny")


@pytest.mark.parametrize(
    ("config", "size", "overrides", "said"),
    [
        ("sample.yaml", "8B", {}, "size '8B' is unknown: give one of tiny, 0.5B"),
        ("enwiki-sample.yaml", "tiny", {}, "needs a step of kind sft"),
        ("sample.yaml", "tiny", {"runtime": {"root": "s3://bucket/root"}}, "runtime.root: s3://bucket/root is remote"),
    ],
)
def test_what_cannot_be_tested_is_reported_in_one_line(config, size, overrides, said):
    with pytest.raises(BadInput, match=said) as error:
        derived(read_config(CONFIGS / config, overrides), size)
    assert len(str(error.value).splitlines()) == 1
