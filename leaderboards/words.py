"""Numbers and answers in words: what a reader asks of the overview, told from a board."""

import hashlib
import re
from dataclasses import dataclass, replace

from benchmark.evaluators.resampling import Interval
from leaderboards.board import Board, Line, Scores, pairs
from leaderboards.columns import SECONDS, Column, pooled
from leaderboards.sureness import LEVEL, Pair, fewest_clips

BEST = "Which method moves points best?"
SHOWN = 60
"""Letters of a name where it stands in a sentence."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A question of a reader, the answer in a few words, and what has to be said with it."""

    question: str
    short: str
    long: str
    page: str = ""


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


def answers(board: Board) -> list[Answer]:
    """Which method moves points best, how sure that is, and what it costs."""
    main = board.headline
    ranked = [line for line in board.contestants if main and board.cell(line, main).ranked]
    if main is None or not ranked:
        return [Answer(question=BEST, short="None has been measured", long="Add one.")]
    best = ranked[0]
    return [_best(board, main, best), _sure(board, main, ranked), _cost(board, best)]


def _best(board: Board, main: Column, best: Line) -> Answer:
    cell = board.cell(best, main)
    assert cell.interval is not None
    still = next((line for line in board.lines if line.method.name == "still"), None)
    floor = board.cell(still, main).interval if still else None
    unit = f" {main.unit}" if main.unit else ""
    text = f"{column_text(main)}: {short(cell.interval.mean)}{unit}, where 0 is the truth" + _unpooled(
        board, main, best
    )
    if floor:
        text += f". Moving nothing at all, with true geometry and cameras, scores {short(floor.mean)}{unit}"
    place = f" On {cut(board.title)}." if board.suite else " Over all suites together."
    page = f"methods/{slug(f'{best.method.name}-v{best.method.version}')}.html"
    sign = 1.0 if main.better == "lower" else -1.0
    if floor and sign * cell.interval.mean >= sign * floor.mean - 1e-9:
        name, text = cut(best.method.name), text[0].lower() + text[1:]
        return Answer(
            question=BEST, short="None beats standing still", long=f"Best is {name}, {text}.{place}", page=page
        )
    return Answer(question=BEST, short=cut(best.method.name), long=f"{text}.{place}", page=page)


def _unpooled(board: Board, main: Column, best: Line) -> str:
    """The other reading of a column that is pooled."""
    plain = tuple(name.removesuffix("_pooled") for name in main.metrics)
    key = replace(main, metrics=plain).key
    found = next((board.cell(best, column).interval for column in board.columns if column.key == key), None)
    if not found or not pooled(main):
        return ""
    return f" (as a mean over clips, where one that hardly moves counts like any other, {short(found.mean)})"


def _sure(board: Board, main: Column, ranked: list[Line]) -> Answer:
    cell = board.cell(ranked[0], main)
    assert cell.interval is not None
    clips = f"over {cell.scored} clip{'' if cell.scored == 1 else 's'}"
    text = f"95 % interval {span(cell.interval)} {clips}."
    ties = [cut(line.method.name) for line in ranked[1:] if board.cell(line, main).mark in ("tied", "best")]
    beaten = len(ranked) - 1 - len(ties)
    if len(ranked) == 1:
        return Answer(
            question="How sure is that?", short="It stands alone", long=f"{text} No other contestant has all clips."
        )
    if ties:
        few = (
            f" Fewer than {fewest_clips()} clips can show no difference at all." if cell.scored < fewest_clips() else ""
        )
        return Answer(question="How sure is that?", short=f"Tied with {len(ties)}", long=(
            f"{text} Clip by clip it cannot be told from {', '.join(ties)} (paired test, p ≥ {LEVEL}); it beats {beaten}.{few}"
        ))  # fmt: skip
    return Answer(question="How sure is that?", short=f"Better than all {beaten} others" if beaten > 1 else "Better than the other", long=(
        f"{text} Clip by clip it beats every other contestant (paired sign-flip test, p < {LEVEL})."
    ))  # fmt: skip


def _cost(board: Board, best: Line) -> Answer:
    found = {column: board.cell(best, column).interval for column in board.columns if column.group == "Cost"}
    known = {column: interval for column, interval in found.items() if interval is not None}
    seconds = next((interval for column, interval in known.items() if column.metrics == (SECONDS,)), None)
    rest = [
        f"{column.title} {short(interval.mean)}{f' {column.unit}' if column.unit else ''}"
        for column, interval in known.items()
        if column.metrics != (SECONDS,)
    ]
    devices = {board.cell(best, column).note for column in known} - {""}
    where = f" on {cut(devices.pop())}" if len(devices) == 1 else ""
    text = f"{cut(best.method.name)}{where}, mean over clips; {'; '.join(rest) or 'nothing else was measured'}."
    return Answer(
        question="What does it cost?",
        short=f"{short(seconds.mean)} s a clip" if seconds else "Not measured",
        long=text if known else "No run has said how long it took.",
    )


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
        pair = pairs(scores, [better.method, worse.method], main, board.clips).get((better.method, worse.method))
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
