"""What is found becomes items that can pass and can fail, each with its number."""

import pytest

from tasks.engines.interface import DISAGREEMENT
from trainers.acceptance.items import (
    cost_item,
    kill_items,
    parity_item,
    restarts_item,
    retrieval_item,
    rollouts_item,
    training_item,
    update_item,
    whole_item,
)
from trainers.acceptance.strikes import Strike

LINES = [
    {"step": 1, "trained_tokens": 90, "parity": 2e-5},
    {"step": 2, "trained_tokens": 0},
    {"step": 3, "trained_tokens": 80, "parity": 4e-5},
]
ROLLOUTS = {"tokens_per_second": 3000.0, "engines": 2, "rollouts": 50, "searches": 250, "engine_busy": 0.9, "failed": 0}
RETRIEVAL = {"queries": 900, "seconds": 6.0, "p50_seconds": 0.01, "p99_seconds": 0.2, "failed": 0}
KILLED = Strike(victim="engine", step=3, killed=100.0, alive=2)


def test_parity_is_that_of_the_worst_update():
    item = parity_item(LINES, 1e-3, None)
    assert (item.outcome, item.value) == ("pass", 4e-5)
    assert "2 updates" in item.detail
    assert parity_item(LINES, 3e-5, None).outcome == "fail"


def test_parity_that_ended_the_training_fails_with_its_words():
    error = f"{DISAGREEMENT} by 0.5 in log probability"
    assert parity_item(LINES, 1e-3, error).outcome == "fail"
    assert parity_item([], 1e-3, error).detail == error
    assert parity_item(LINES, 1e-3, "the ranks died too often").outcome == "pass", "that says nothing of parity"


def test_without_an_update_parity_fails():
    assert parity_item(LINES[1:2], 1e-3, None).outcome == "fail"


def test_a_kill_passes_when_the_training_went_on_and_ended():
    back = KILLED.model_copy(update={"recovered": 112.5})
    (item,) = kill_items("DAPO", ["engine"], [back], None)
    assert (item.name, item.outcome, item.value) == ("DAPO: engine killed", "pass", 12.5)
    (item,) = kill_items("DAPO", ["engine"], [back], "the ranks died too often")
    assert item.outcome == "fail"
    (item,) = kill_items("DAPO", ["engine"], [KILLED], None)
    assert item.outcome == "fail"


def test_what_was_never_killed_did_not_pass():
    (item,) = kill_items("DAPO", ["rank"], [KILLED], None)
    assert item.outcome == "fail"
    for errors in (("engine and trainer differ", None), (None, "no Ray cluster answers")):
        (item,) = kill_items("DAPO", ["rank"], [KILLED], *errors)
        assert item.outcome == "not tried"


def test_problems_are_listed():
    assert whole_item("steps", [], "each of 5 once").outcome == "pass"
    item = whole_item("steps", ["step 3 is missing", "step 4 is missing", "step 5 is missing"], "")
    assert (item.outcome, item.detail) == ("fail", "step 3 is missing; step 4 is missing and 1 more")


@pytest.mark.parametrize(("died", "outcome"), [(0, "fail"), (1, "pass"), (2, "fail")])
def test_a_job_is_started_again_as_often_as_it_was_killed(died, outcome):
    assert restarts_item("DAPO", died, 1).outcome == outcome


def test_rollouts_fail_where_a_search_or_an_engine_failed():
    assert (rollouts_item(ROLLOUTS).outcome, rollouts_item(ROLLOUTS).value) == ("pass", 1500.0)
    assert rollouts_item({**ROLLOUTS, "failed": 1}).outcome == "fail"


def test_an_accepted_trajectory_costs_what_an_earlier_yield_says_and_nothing_is_made_up():
    assert cost_item(3.0, "GPU", 0.5).value == 6.0
    unknown = cost_item(3.0, "GPU", None)
    assert (unknown.value, unknown.unit) == (3.0, "GPU-seconds a rollout")
    assert "yield unknown" in unknown.detail
    assert cost_item(3.0, "GPU", 0.0).value is None


def test_no_device_does_more_than_its_matrix_rate():
    figures = {"tokens_per_second": 9000.0, "ranks": 2, "mfu": 0.4, "matrix_flops_per_second": 6e14}
    assert training_item(figures).outcome == "pass"
    assert "40.00%" in training_item(figures).detail
    assert training_item({**figures, "mfu": 1.2}).outcome == "fail"


def test_the_median_update_is_reported():
    assert update_item([3.0, 1.0, 2.0]).value == 2.0
    assert update_item([]).outcome == "not tried"


def test_retrieval_fails_where_a_query_failed():
    assert (retrieval_item(RETRIEVAL, 256, 1000, 5).outcome, retrieval_item(RETRIEVAL, 256, 1000, 5).value) == (
        "pass",
        0.2,
    )
    assert retrieval_item({**RETRIEVAL, "failed": 3}, 256, 1000, 5).outcome == "fail"
    assert retrieval_item({**RETRIEVAL, "queries": 0}, 256, 1000, 5).outcome == "fail"
