"""Intervals against theory and by hand; a test that is right about what it is sure of."""

import math

import numpy as np
import pytest
from scipy.stats import binom

from tasks.evaluation.statistics import mcnemar, mean_interval, paired_difference


def test_the_interval_of_a_mean_is_that_of_theory() -> None:
    values = np.random.default_rng(5).normal(0.5, 0.2, 400).tolist()
    interval = mean_interval(values, 10_000)
    half = 1.96 * np.std(values) / math.sqrt(400)
    assert interval.mean == pytest.approx(np.mean(values))
    assert interval.low == pytest.approx(interval.mean - half, abs=0.002)
    assert interval.high == pytest.approx(interval.mean + half, abs=0.002)
    assert interval.n == 400


def test_the_interval_covers_the_truth_about_nineteen_times_in_twenty() -> None:
    generator = np.random.default_rng(7)
    covered = 0
    for _ in range(300):
        interval = mean_interval((generator.random(100) < 0.7).astype(float).tolist(), 1_000)
        covered += interval.low <= 0.7 <= interval.high
    assert 0.90 <= covered / 300 <= 0.98


def test_seeded_and_the_same_whatever_the_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(2).random(50).tolist()
    assert mean_interval(values, 1_000, seed=3) == mean_interval(values, 1_000, seed=3)
    assert mean_interval(values, 1_000, seed=3) != mean_interval(values, 1_000, seed=4)
    whole = mean_interval(values, 1_000, seed=3)
    monkeypatch.setattr("tasks.evaluation.statistics._CHUNK_VALUES", 500)
    assert mean_interval(values, 1_000, seed=3) == whole


def test_pairing_finds_a_small_steady_gain_that_the_means_alone_hide() -> None:
    generator = np.random.default_rng(11)
    hard = generator.random(300)
    gained = np.clip(hard + generator.normal(0.02, 0.01, 300), 0, 1)
    assert mean_interval(hard.tolist(), 2_000).high > mean_interval(gained.tolist(), 2_000).low
    difference = paired_difference(gained.tolist(), hard.tolist(), 2_000)
    assert 0.015 < difference.low < difference.mean < difference.high < 0.025


def test_pairs_of_unequal_length_and_no_values_are_refused() -> None:
    with pytest.raises(ValueError, match=r"shape|broadcast"):
        paired_difference([1.0, 0.0], [1.0, 0.0, 1.0], 10)
    with pytest.raises(ValueError, match="no values"):
        mean_interval([], 10)


def test_mcnemar_is_the_exact_test_of_the_pairs_that_disagree() -> None:
    a = [True] * 9 + [False] * 1 + [True] * 50
    b = [False] * 9 + [True] * 1 + [True] * 50
    assert mcnemar(a, b) == pytest.approx(2 * binom.cdf(1, 10, 0.5))
    assert mcnemar(a, a) == 1.0
