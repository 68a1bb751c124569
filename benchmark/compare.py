"""Compare two runs clip by clip: is the difference of their means more than the choice of clips?

    python -m benchmark.compare --first runs/mini/plane/rows.jsonl --second runs/mini/still/rows.jsonl

For each protocol and metric, over the clips on which both runs have a value: both means with their 95 % bootstrap intervals,
the difference of the means with its interval, the p of a sign-flip test, and on how many clips either run is better.
Metrics are many and p is not corrected for that. Versions that differ are never compared.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

from benchmark.evaluators.resampling import Comparison, Interval, bootstrap, compare
from benchmark.rows import Row, read_rows
from benchmark.table import number, weight_of
from vdpm.errors import UserError, run_command

Key = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Config:
    """Compare two runs clip by clip."""

    first: Path
    """rows.jsonl of one run."""
    second: Path
    """rows.jsonl of the other, on the same suite."""
    seed: int = 0
    """Of the resampling."""


@dataclass(frozen=True, kw_only=True)
class Pairing:
    """One metric of two runs on the clips that both have."""

    protocol: str
    metric: str
    first: Interval
    second: Interval
    comparison: Comparison
    first_better: int
    second_better: int


def _values(rows: list[Row]) -> dict[Key, Row]:
    """Rows with a value by what has to be equal for two of them to be compared."""
    return {
        (row.protocol, row.protocol_version, row.metric, row.suite, row.suite_version, row.clip): row
        for row in rows
        if row.value is not None
    }


def pairings(first: list[Row], second: list[Row], rng: np.random.Generator) -> list[Pairing]:
    """All metrics that both runs report, in the order of the first. Raises `UserError` when there is none."""
    one, other = _values(first), _values(second)
    shared: dict[tuple[str, str], list[Key]] = {}
    for key in one:
        if key in other:
            shared.setdefault((key[0], key[2]), []).append(key)
    if not shared:
        raise UserError("the two runs share no clip, protocol and metric of one version; score both on one suite")
    return [_pairing(*names, [(one[key], other[key]) for key in keys], rng) for names, keys in shared.items()]


def _pairing(protocol: str, metric: str, pairs: list[tuple[Row, Row]], rng: np.random.Generator) -> Pairing:
    first, second = (np.array([pair[run].value for pair in pairs], float) for run in (0, 1))
    own = [np.array([weight_of(pair[run]) for pair in pairs]) for run in (0, 1)]
    comparison = compare(first, second, rng, weights=np.mean(own, axis=0))
    lower = (comparison.first_lower, comparison.second_lower)
    first_better, second_better = lower if pairs[0][0].better == "lower" else lower[::-1]
    return Pairing(
        protocol=protocol,
        metric=metric,
        first=bootstrap(first, rng, weights=own[0]),
        second=bootstrap(second, rng, weights=own[1]),
        comparison=comparison,
        first_better=first_better,
        second_better=second_better,
    )


def table(found: list[Pairing]) -> str:
    """The pairings as text for a terminal."""
    lines = [
        f"{'protocol, metric':<46}{'first':>28}{'second':>28}{'second - first':>28}{'p':>8}{'better':>9}{'clips':>7}"
    ]
    for each in found:
        columns = "".join(
            f"{_text(interval):>28}" for interval in (each.first, each.second, each.comparison.difference)
        )
        wins = f"{each.first_better}:{each.second_better}"
        name = f"{each.protocol} {each.metric}"
        lines.append(f"{name:<46}{columns}{each.comparison.p_value:>8.4f}{wins:>9}{each.first.count:>7}")
    return "\n".join(lines)


def _text(interval: Interval) -> str:
    return f"{number(interval.mean)} [{number(interval.low)}, {number(interval.high)}]"


def main(config: Config) -> None:
    """Print the comparison."""
    rng = np.random.default_rng(config.seed)
    print(table(pairings(read_rows(config.first), read_rows(config.second), rng)))


if __name__ == "__main__":
    run_command(lambda: main(tyro.cli(Config, description=__doc__)))
