"""How sure a mean over clips is: bootstrap intervals, and the paired comparison of two runs on the same clips.

The generator is an argument, so a number in a table can be made again.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

ROUNDS = 10_000


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A mean over `count` clips, weighted where clips have weights, and the bounds between which it lies with the given confidence."""

    mean: float
    low: float
    high: float
    count: int


def bootstrap(
    values: Float[np.ndarray, " N"],
    rng: np.random.Generator,
    confidence: float = 0.95,
    weights: Float[np.ndarray, " N"] | None = None,
) -> Interval:
    """Percentile bootstrap over clips (Efron 1979), 10 000 rounds. With one clip the interval is that clip.

    A clip is drawn with its weight, so that of a ratio of sums both sums are resampled together.
    """
    if not len(values):
        raise ValueError("no clip has a value")
    weights = np.ones(len(values)) if weights is None else weights
    draws = rng.integers(len(values), size=(ROUNDS, len(values)))
    means = (weights * values)[draws].sum(axis=1) / weights[draws].sum(axis=1)
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    mean = float(np.average(values, weights=weights))
    return Interval(mean=mean, low=float(low), high=float(high), count=len(values))


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Second run minus first run, clip by clip."""

    difference: Interval
    p_value: float
    """Two-sided: how often swapping the two runs at random, clip by clip, gives a mean difference as large."""
    first_lower: int
    """Clips on which the first run has the smaller value; ties are on neither side."""
    second_lower: int


def compare(
    first: Float[np.ndarray, " N"],
    second: Float[np.ndarray, " N"],
    rng: np.random.Generator,
    weights: Float[np.ndarray, " N"] | None = None,
) -> Comparison:
    """Paired comparison of two runs on the same clips: bootstrap of the differences and a sign-flip test.

    A clip has one weight for both runs. The test has 10 000 random flips, and the observed one is counted, so that p is never 0.
    """
    difference = second - first
    interval = bootstrap(difference, rng, weights=weights)
    share = np.full(len(difference), 1 / len(difference)) if weights is None else weights / weights.sum()
    flips = rng.choice([-1.0, 1.0], size=(ROUNDS, len(difference))) @ (share * difference)
    slack = 1e-12 * np.abs(difference).max()  # sums of the same numbers in another order are as large
    extreme = np.count_nonzero(np.abs(flips) >= abs(interval.mean) - slack)
    return Comparison(
        difference=interval,
        p_value=(extreme + 1) / (ROUNDS + 1),
        first_lower=int(np.count_nonzero(difference > 0)),
        second_lower=int(np.count_nonzero(difference < 0)),
    )
