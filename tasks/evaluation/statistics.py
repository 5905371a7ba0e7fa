"""Confidence of means and differences: percentile bootstrap (Efron, 1979) over questions, and McNemar's exact test.

The bootstrap resamples questions, because the questions are the random sample. Differences are paired by question, so
that a question's difficulty for both models cancels out.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binomtest

LEVEL = 0.95
_CHUNK_VALUES = 2_000_000


class Interval(NamedTuple):
    """A mean over ``n`` questions, and the bounds of its 95% interval."""

    mean: float
    low: float
    high: float
    n: int


def mean_interval(values: ArrayLike, resamples: int, seed: int = 0) -> Interval:
    """The mean of one value for each question. The same values, resamples and seed give the same interval.

    Raises:
        ValueError: ``values`` is empty.
    """
    sample = np.asarray(values, np.float64)
    if sample.size == 0:
        raise ValueError("no values to take a mean of")
    low, high = np.quantile(_resampled_means(sample, resamples, seed), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(sample.mean()), float(low), float(high), sample.size)


def paired_difference(a: ArrayLike, b: ArrayLike, resamples: int, seed: int = 0) -> Interval:
    """The mean of ``a - b``; ``a[i]`` and ``b[i]`` belong to the same question."""
    # Rounded, because the bootstrap is quick where few values differ: .3 - .1 is not .4 - .2 in binary.
    return mean_interval(np.subtract(a, b, dtype=np.float64).round(12), resamples, seed)


def mcnemar(a: ArrayLike, b: ArrayLike) -> float:
    """Two-sided p-value of the hypothesis that ``a`` and ``b`` are right equally often.

    Args:
        a: whether the first is right, by question; ``b`` likewise.

    It is the exact binomial test on the pairs that disagree (McNemar, 1947).
    """
    right_a, right_b = np.asarray(a, np.bool_), np.asarray(b, np.bool_)
    disagreeing = int((right_a != right_b).sum())
    return float(binomtest(int((right_a & ~right_b).sum()), disagreeing).pvalue) if disagreeing else 1.0


def _resampled_means(sample: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """(resamples): means of samples drawn with replacement.

    The counts of the distinct values in a resample are multinomial. Drawing counts is faster than drawing values,
    because a metric over few masks has few distinct values.
    """
    generator = np.random.default_rng(seed)
    values, counts = np.unique(sample, return_counts=True)
    step = max(1, _CHUNK_VALUES // values.size)
    sizes = [min(step, resamples - start) for start in range(0, resamples, step)]
    drawn = (generator.multinomial(sample.size, counts / sample.size, size=size) for size in sizes)
    return np.concatenate([(counts_drawn @ values) / sample.size for counts_drawn in drawn])
