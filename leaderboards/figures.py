"""The figures of the leaderboards: what is drawn, from boards and error splits; `drawing` says how it looks."""

from collections import defaultdict
from typing import Any

import numpy as np

from leaderboards.board import Board, ClipKey, Line, Method, Scores
from leaderboards.columns import SECONDS, Column
from leaderboards.drawing import COLOURS, GREY, INK, MARKERS, Figure, canvas, finish

LONGEST = 24
"""Letters of a name in a figure."""


def short_name(name: str) -> str:
    """A name that fits, without what a font may lack."""
    plain = "".join(letter if letter.isprintable() and ord(letter) < 0x2000 else "?" for letter in name)
    return plain if len(plain) <= LONGEST else plain[: LONGEST - 1] + "…"


def looks(board: Board) -> dict[str, dict[str, str]]:
    """A colour and a marker for each method, the same in all figures of a board; references are grey."""
    found, place = {}, 0
    for line in board.lines:
        grey = line.method.reference
        found[line.method.label] = {
            "color": GREY if grey else COLOURS[place % len(COLOURS)],
            "marker": MARKERS[len(found) % len(MARKERS)],
        }
        place += not grey
    return found


def pareto(board: Board, name: str) -> Figure:
    """Seconds for a whole clip against the headline column, and the front of the contestants."""
    main = board.headline
    cost = next((column for column in board.columns if column.metrics == (SECONDS,)), None)
    with canvas() as (figure, axes):
        points = [] if main is None or cost is None else [_point(axes, board, line, cost, main) for line in board.lines]
        placed = [point for point in points if point]
        if placed:
            _seconds_axis(axes, [seconds for seconds, _ in placed])
        _names(
            axes,
            [(short_name(line.method.name), point) for line, point in zip(board.lines, points, strict=False) if point],
        )
        _front(
            axes,
            [point for line, point in zip(board.lines, points, strict=False) if point and not line.method.reference],
        )
        axes.set_ylabel(_axis(main) if main else "")
        label = f"Speed against accuracy on {short_name(board.title)}: {len(placed)} methods"
        caption = (
            "Lower left is better. The line joins contestants that no other beats in both; bars are 95 % intervals."
        )
        return finish(figure, name, "Speed against accuracy", caption, label)


def _seconds_axis(axes: Any, seconds: list[float]) -> None:
    """Decades, named as numbers."""
    axes.set_xscale("log")
    low, high = int(np.floor(np.log10(min(seconds)))), int(np.ceil(np.log10(max(seconds))))
    decades = [10.0**power for power in range(low, max(high, low + 1) + 1)]
    axes.set_xlim(decades[0] / 1.5, decades[-1] * 2.5)
    axes.set_xticks(decades, [f"{decade:g}" for decade in decades])
    axes.set_xticks([], minor=True)
    axes.set_xlabel("seconds for a whole clip")


def _point(axes: Any, board: Board, line: Line, cost: Column, main: Column) -> tuple[float, float] | None:
    seconds, error = board.cell(line, cost).interval, board.cell(line, main).interval
    if seconds is None or error is None or seconds.mean <= 0:
        return None
    look = looks(board)[line.method.label]
    bars = [[max(error.mean - error.low, 0.0)], [max(error.high - error.mean, 0.0)]]
    axes.errorbar(seconds.mean, error.mean, yerr=bars, fmt=look["marker"], color=look["color"], ms=8, lw=1.2)
    return seconds.mean, error.mean


def _names(axes: Any, named: list[tuple[str, tuple[float, float]]]) -> None:
    """A name beside each point, moved up or down where another name stands already."""
    if not named:
        return
    axes.margins(y=0.14)
    low, high = axes.get_ylim()
    left, right = np.log10(axes.get_xlim())
    taken: list[tuple[float, float]] = []
    for name, (seconds, error) in sorted(named, key=lambda item: item[1][1]):
        x, y = (np.log10(seconds) - left) / (right - left), (error - low) / (high - low)
        shifts = (shift for shift in (0.0, 0.055, -0.055, 0.11, -0.11, 0.165) if _free(taken, x, y + shift))
        y += next(shifts, 0.0)
        taken.append((x, y))
        axes.annotate(name, (x, y), xycoords="axes fraction", xytext=(9, -3), textcoords="offset points")


def _free(taken: list[tuple[float, float]], x: float, y: float) -> bool:
    return all(abs(y - other_y) > 0.05 or abs(x - other_x) > 0.3 for other_x, other_y in taken)


def _front(axes: Any, points: list[tuple[float, float]]) -> None:
    best: list[tuple[float, float]] = []
    for point in sorted(points):
        if not best or point[1] < best[-1][1]:
            best.append(point)
    if len(best) > 1:
        axes.step(*zip(*best, strict=True), where="post", color=INK, lw=0.8, ls=":", zorder=0)


def _axis(column: Column) -> str:
    moving = ", moving pixels" if column.moving else ""
    return f"{column.title}{moving}{f' [{column.unit}]' if column.unit else ''}"


def groups(board: Board, scores: Scores, families: dict, name: str, by: str) -> Figure:
    """The headline column per family or data set: a bar for each method."""
    kinds: dict[str, list] = defaultdict(list)
    for clip in board.clips:
        kinds[families[clip]].append(clip)
    main, lines = board.headline, [line for line in board.lines if line.method.name != "oracle"]
    with canvas(6.4, min(9.0, max(2.4, 0.9 + 0.11 * len(kinds) * (len(lines) + 1)))) as (figure, axes):
        if main:
            _bars(axes, board, scores, main, lines, dict(sorted(kinds.items())))
            axes.set_xlabel(_axis(main))
        what = _axis(main) if main else "Scores"
        caption = f"{what}, of the clips of each {by}; bars go from the truth, 0, to worse."
        return finish(
            figure,
            name,
            f"{by.capitalize()} by {by}",
            caption,
            f"Bars of {len(lines)} methods for each of {len(kinds)} {by}s",
        )


def _group_mean(scores: Scores, method: Method, column: Column, clips: list[ClipKey]) -> float:
    """Over the clips that have a value, weighted as on the boards; 0 without any."""
    values, weights = (ask(method, column, clips) for ask in (scores.values, scores.weights))
    has = np.isfinite(values) & (weights > 0)
    return float(np.average(values[has], weights=weights[has])) if has.any() else 0.0


def _bars(axes: Any, board: Board, scores: Scores, main: Column, lines: list[Line], kinds: dict[str, list]) -> None:
    step = 1.0 / (len(lines) + 1)
    for place, line in enumerate(lines):
        means = [_group_mean(scores, line.method, main, clips) for clips in kinds.values()]
        look = looks(board)[line.method.label]
        where = np.arange(len(kinds)) + step * place
        hatch = "" if not line.method.reference else "///"
        axes.barh(where, means, step * 0.85, color=look["color"], hatch=hatch, label=short_name(line.method.name))
    axes.set_yticks(
        np.arange(len(kinds)) + 0.5 - step, [f"{short_name(kind)} ({len(clips)})" for kind, clips in kinds.items()]
    )
    axes.invert_yaxis()
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=9, handlelength=1.2)
