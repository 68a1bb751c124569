"""How sure a mean over clips is: the bootstrap and sign flips of `benchmark.evaluators.resampling`, for many columns at once.

A board has thousands of means and pairs, all over the same few numbers of clips. The draws for a number of clips are made
once, so that a mean or a test is one product with a matrix. Same law, same seed, same numbers as there (a test).
"""

from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
from jaxtyping import Float64, Int8

from benchmark.evaluators.resampling import ROUNDS, Interval

SEED = 0
EXACT_UP_TO = 13
"""Clips up to which all 2^n flips are tried (8192 of them), so that p is exact."""
LEVEL = 0.05
"""Two methods are tied when p is not below it."""


@cache
def draws(clips: int) -> Float64[np.ndarray, "R N"]:
    """How often each clip is in each bootstrap sample."""
    drawn = np.random.default_rng(SEED).integers(clips, size=(ROUNDS, clips))
    offsets = drawn + clips * np.arange(ROUNDS)[:, None]
    return np.bincount(offsets.ravel(), minlength=ROUNDS * clips).reshape(ROUNDS, clips).astype(np.float64)


@cache
def flips(clips: int) -> Int8[np.ndarray, "R N"]:
    """Signs that swap two methods clip by clip: all patterns for few clips, random ones for many, none swapped first."""
    if clips <= EXACT_UP_TO:
        return np.array(list(product((1, -1), repeat=clips)), np.int8)
    signs = np.random.default_rng(SEED).choice(np.array([-1, 1], np.int8), size=(ROUNDS, clips))
    return np.concatenate([np.ones((1, clips), np.int8), signs])


def interval(
    values: Float64[np.ndarray, " N"], weights: Float64[np.ndarray, " N"], confidence: float = 0.95
) -> Interval:
    """Weighted mean over clips and its percentile bootstrap interval; with one clip the interval is that clip."""
    mean = float(np.average(values, weights=weights))
    drawn = draws(len(values))
    total = drawn @ weights
    means = (drawn @ (weights * values))[total > 0] / total[total > 0]
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(mean=mean, low=float(low), high=float(high), count=len(values))


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Second method minus first, over the clips on which both have a value."""

    difference: Interval
    p_value: float
    """Two-sided: share of flips with a mean difference at least as large, the observed one among them."""
    first_lower: int
    second_lower: int

    @property
    def tied(self) -> bool:
        return not self.p_value < LEVEL


def paired(
    first: Float64[np.ndarray, " N"],
    second: Float64[np.ndarray, " N"],
    weights: Float64[np.ndarray, " N"] | None = None,
) -> Pair | None:
    """The paired comparison of two methods; NaN is a blank. None when they share no clip.

    A clip has one weight for both; without, clips count alike.
    """
    weights = np.ones(len(first)) if weights is None else weights
    both = np.isfinite(first) & np.isfinite(second) & (weights > 0)
    if not both.any():
        return None
    difference, share = (second - first)[both], weights[both] / weights[both].sum()
    observed = abs(difference @ share)
    slack = 1e-12 * np.abs(difference).max()  # sums of the same numbers in another order are as large
    p_value = float(np.mean(np.abs(flips(len(difference)) @ (difference * share)) >= observed - slack))
    return Pair(
        difference=interval(difference, weights[both]),
        p_value=p_value,
        first_lower=int(np.count_nonzero(difference > 0)),
        second_lower=int(np.count_nonzero(difference < 0)),
    )


def fewest_clips() -> int:
    """Clips below which no difference can be told from chance: 2 of the 2^n flips are always as extreme."""
    return next(clips for clips in range(1, 64) if 2.0 ** (1 - clips) < LEVEL)
