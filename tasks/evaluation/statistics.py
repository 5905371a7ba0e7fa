"""How sure a mean or a difference is: percentile bootstrap (Efron, 1979) over questions, and McNemar's exact test.

Questions are what is drawn again, because they are what was sampled; a difference is taken question by question, so
what makes a question hard for both models drops out.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import binomtest

LEVEL = 0.95
_CHUNK_VALUES = 2_000_000


class Interval(NamedTuple):
    """A mean over ``n`` questions, and the ends of its 95% interval."""

    mean: float
    low: float
    high: float
    n: int


def mean_interval(values: Sequence[float], resamples: int, seed: int = 0) -> Interval:
    """The mean of one value a question. The same values, resamples and seed give the same interval.

    Raises:
        ValueError: there is no value.
    """
    sample = np.asarray(values, np.float64)
    if sample.size == 0:
        raise ValueError("no values to take a mean of")
    low, high = np.quantile(_resampled_means(sample, resamples, seed), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(sample.mean()), float(low), float(high), sample.size)


def paired_difference(a: Sequence[float], b: Sequence[float], resamples: int, seed: int = 0) -> Interval:
    """The mean of ``a - b``; ``a[i]`` and ``b[i]`` are of the same question."""
    return mean_interval(np.subtract(a, b, dtype=np.float64).tolist(), resamples, seed)


def mcnemar(a: Sequence[bool], b: Sequence[bool]) -> float:
    """Two-sided p-value that ``a`` and ``b`` are as often right: the exact binomial test of the pairs that disagree."""
    pairs = list(zip(a, b, strict=True))
    only_a = sum(x and not y for x, y in pairs)
    disagreeing = sum(x != y for x, y in pairs)
    return float(binomtest(only_a, disagreeing).pvalue) if disagreeing else 1.0


def _resampled_means(sample: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """(resamples): means of samples drawn with replacement.

    How often each distinct value is drawn is multinomial, and a metric of few masks has few distinct values.
    """
    generator = np.random.default_rng(seed)
    values, counts = np.unique(sample, return_counts=True)
    step = max(1, _CHUNK_VALUES // values.size)
    sizes = [min(step, resamples - start) for start in range(0, resamples, step)]
    drawn = (generator.multinomial(sample.size, counts / sample.size, size=size) for size in sizes)
    return np.concatenate([(counts_drawn @ values) / sample.size for counts_drawn in drawn])
