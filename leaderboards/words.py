"""Numbers in words: how values, intervals, names and comparisons are written."""

import hashlib
import re
from dataclasses import dataclass

from benchmark.evaluators.resampling import Interval
from leaderboards.board import Board, Scores
from leaderboards.columns import Column
from leaderboards.sureness import Pair

SHOWN = 60
"""Letters of a name where it stands in a sentence."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A line of the table of paired tests."""

    first: str
    second: str
    by: str
    range: str
    p: str
    wins: str
    verdict: str


def short(value: float) -> str:
    """Three digits that count: 0.0312, 1.23, 46.8, 1.2e+04; what rounds to nothing is 0."""
    if abs(value) < 5e-5:
        return "0"
    if abs(value) >= 1e4:
        return f"{value:.2g}" if abs(value) < 1e15 else f"{value:.1e}"
    if abs(value) >= 100:
        return f"{value:.0f}"
    digits = 2 if abs(value) >= 1 else 3 if abs(value) >= 0.1 else 4
    return f"{value:.{digits - (abs(value) >= 10)}f}"


def span(interval: Interval) -> str:
    """The bounds of an interval."""
    return f"{short(interval.low)} – {short(interval.high)}"


def cut(text: str) -> str:
    """A name that fits into a sentence."""
    plain = " ".join(text.split())
    return plain if len(plain) <= SHOWN else plain[: SHOWN - 1] + "…"


def slug(text: str) -> str:
    """A file name or anchor for any name: what is harmless of it, and a hash where that is not all."""
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", text).strip("-.")[:60]
    if plain and plain == text:
        return plain
    return f"{plain or 'x'}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def p_text(p_value: float) -> str:
    return "< 0.001" if p_value < 0.001 else f"{p_value:.3f}"


def column_text(column: Column) -> str:
    moving = ", moving pixels" if column.moving else ""
    return f"{column.title}{moving} ({column.frames})"


def certainty(board: Board, scores: Scores) -> tuple[str, list[Comparison]]:
    """Every two neighbours in the headline column: whether the clips can tell them apart."""
    main = board.headline
    if main is None:
        return "No motion has been measured.", []
    lines = [line for line in board.lines if board.cell(line, main).interval and line.method.name != "oracle"]
    lines.sort(key=lambda line: board.mean(line, main), reverse=main.better == "higher")
    if len(lines) < 2:
        return "With one method there is nothing to compare.", []
    text = (
        f"Neighbours in the column {column_text(main)} on {cut(board.title)}, clip by clip, references included. The test "
        "swaps the two at random on each clip and asks how often the mean difference is as large."
    )
    found = []
    for better, worse in zip(lines, lines[1:], strict=False):
        pair = scores.paired(better.method, worse.method, main, board.clips)
        found += [comparison(better.method.name, worse.method.name, pair, main)] if pair else []
    return text, found


def comparison(first: str, second: str, pair: Pair, column: Column) -> Comparison:
    """A pair in words, `first` being the one with the better mean."""
    sign = 1.0 if column.better == "lower" else -1.0
    wins = (pair.first_lower, pair.second_lower) if column.better == "lower" else (pair.second_lower, pair.first_lower)
    low, high = sorted((sign * pair.difference.low, sign * pair.difference.high))
    return Comparison(
        first=first, second=second, by=short(sign * pair.difference.mean), range=f"{short(low)} – {short(high)}",
        p=p_text(pair.p_value), wins=f"{wins[0]} : {wins[1]} of {pair.difference.count}",
        verdict="tie: the clips cannot tell" if pair.tied else "better",
    )  # fmt: skip
