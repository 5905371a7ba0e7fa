"""Figures of trajectories: what shows that a teacher begins to repeat itself."""

import math

import pytest

from schemas.records import Author, Trajectory
from tasks.agent.protocol import answer_turn, search_turn
from tasks.agent.trajectory_summary import figures_of
from tests.support.examples import ramp_question, trajectory

QUESTION = ramp_question("Arlen Brom was born in Great Tolm.", ["Great Tolm"])


def searching(thought: str, queries: int = 1, searches: int = 1) -> Trajectory:
    turns = [(Author.MODEL, search_turn(thought, ["a query"])), (Author.ENVIRONMENT, "found")] * searches
    row = trajectory(QUESTION, [*turns, (Author.MODEL, answer_turn("now I know", "Great Tolm"))])
    found = [search.model_copy(update={"queries": ["a query"] * queries}) for search in row.searches]
    return row.model_copy(update={"searches": found})


def test_one_trajectory_over_and_over_has_one_plan_and_is_like_itself():
    figures = figures_of([searching("I need the birthplace of Brom")] * 6)
    assert (figures["plan_entropy"], figures["self_similarity"]) == (0.0, 1.0)
    assert math.copysign(1, figures["plan_entropy"]) == 1


def test_different_plans_and_thoughts_raise_entropy_and_lower_similarity():
    rows = [
        searching("I need the birthplace of Brom"),
        searching("who painted these two walls", queries=2),
        searching("which firm made the green glass", searches=2),
        searching("the year of that long war", queries=3),
    ]
    figures = figures_of(rows)
    assert figures["plan_entropy"] == pytest.approx(math.log(4))
    # All four share the triple "now I know"; the others are their own.
    assert 0 < figures["self_similarity"] < 0.2
    alike = figures_of([rows[0], rows[1], rows[0], rows[1]])
    assert alike["self_similarity"] == 1.0 and alike["plan_entropy"] == pytest.approx(math.log(2))


def test_a_single_trajectory_is_compared_with_none():
    assert figures_of([searching("I need the birthplace")])["self_similarity"] == 0.0
