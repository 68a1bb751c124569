"""Rows to boards: for a suite, every method against every column, with means, intervals, best, second and ties.

Pure: rows in, records out. Means are those of `benchmark.table`; a method that has fewer clips than the others is shown but
not ranked, since a blank on a hard clip must not win.
"""

import math
from collections import defaultdict
from dataclasses import dataclass, field, replace

import numpy as np

from benchmark.evaluators.resampling import Interval
from benchmark.metrics import MIX_UP
from benchmark.rows import Row
from benchmark.table import weight_of
from leaderboards.cards import Card, card
from leaderboards.columns import SECONDS, Column, headline, metric_columns, overview_columns
from leaderboards.sureness import Pair, interval, paired

ClipKey = tuple[str, str]
"""Suite and clip."""


@dataclass(frozen=True, kw_only=True)
class Method:
    """A method in one version."""

    name: str
    version: str
    reference: bool
    """Whether it is shown the truth: it does not compete."""

    @property
    def label(self) -> str:
        return f"{self.name} v{self.version}"

    @property
    def card(self) -> Card:
        return card(self.name)


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What a board says of one method in one column."""

    interval: Interval | None
    """None is a blank."""
    scored: int
    """Clips that have a value."""
    clips: int
    """Clips on which any method has one; a method with fewer is not ranked."""
    note: str
    """Reasons of blanks, doubts about values."""
    mark: str = ""
    """"best", "tied" (no difference to the best that the clips can show), "second", or ""."""

    @property
    def ranked(self) -> bool:
        return self.interval is not None and self.scored == self.clips


@dataclass(frozen=True, kw_only=True)
class Line:
    """A method in a board."""

    method: Method
    cells: list[Cell]


@dataclass(frozen=True, kw_only=True)
class Board:
    """All methods on the clips of a suite, or of all suites together."""

    key: str
    title: str
    suite: str
    """"" for all suites together."""
    version: str
    clips: list[ClipKey]
    columns: list[Column]
    lines: list[Line]
    """Contestants, best in the headline column first, then references."""
    headline: Column | None

    def cell(self, line: Line, column: Column) -> Cell:
        return line.cells[self.columns.index(column)]

    def mean(self, line: Line, column: Column) -> float:
        """NaN for a blank."""
        found = self.cell(line, column).interval
        return found.mean if found else math.nan

    @property
    def contestants(self) -> list[Line]:
        return [line for line in self.lines if not line.method.reference]


@dataclass
class Scores:
    """Values by method, protocol, metric and clip: rows in the form that boards ask for."""

    rows: dict[tuple[Method, str, str, str], dict[ClipKey, Row]] = field(default_factory=lambda: defaultdict(dict))
    seconds: dict[tuple[Method, str, str], dict[ClipKey, float]] = field(default_factory=lambda: defaultdict(dict))

    @classmethod
    def of(cls, rows: list[Row]) -> "Scores":
        scores = cls()
        for row in rows:
            method, place = method_of(row), (row.suite, row.clip)
            scores.rows[method, row.protocol, row.protocol_version, row.metric][place] = row
            if row.seconds is not None:
                scores.seconds[method, row.protocol, row.protocol_version][place] = row.seconds
        return scores

    def values(self, method: Method, column: Column, clips: list[ClipKey]) -> np.ndarray:
        """A value per clip (N,), NaN where blank; the mean over the metrics of a column, blank when any is."""
        if column.metrics == (SECONDS,):
            seconds = self.seconds.get((method, column.protocol, column.version), {})
            return np.array([seconds.get(clip, math.nan) for clip in clips])
        return np.mean([self._metric(method, column, name, clips) for name in column.metrics], axis=0)

    def _metric(self, method: Method, column: Column, name: str, clips: list[ClipKey]) -> list[float]:
        values = (row.value if row else None for row in self._rows(method, column, name, clips))
        return [math.nan if value is None else float(value) for value in values]

    def _rows(self, method: Method, column: Column, name: str, clips: list[ClipKey]) -> list[Row | None]:
        found = self.rows.get((method, column.protocol, column.version, name), {})
        return [found.get(clip) for clip in clips]

    def weights(self, method: Method, column: Column, clips: list[ClipKey]) -> np.ndarray:
        """What a clip counts (N,), as `benchmark.table.weight_of` says."""
        if column.metrics == (SECONDS,):
            return np.ones(len(clips))
        return np.array(
            [weight_of(row) if row else 0.0 for row in self._rows(method, column, column.metrics[0], clips)]
        )

    def paired(self, first: Method, second: Method, column: Column, clips: list[ClipKey]) -> Pair | None:
        """Two methods, clip by clip; None when they share no clip."""
        one, two = (self.values(method, column, clips) for method in (first, second))
        weights = [self.weights(method, column, clips) for method in (first, second)]
        return paired(one, two, np.mean(weights, axis=0))

    def note(self, method: Method, column: Column, clips: list[ClipKey]) -> str:
        """Why cells are blank and which values are doubtful, each reason once."""
        if column.metrics == (SECONDS,):
            return ""
        rows = [row for name in column.metrics for row in self._rows(method, column, name, clips)]
        if not any(rows):
            return "not run"
        always = column.group == "Cost"  # there a note names the device
        told = [row.note for row in rows if row and row.note and (always or row.value is None or MIX_UP in row.note)]
        return "; ".join(dict.fromkeys(told))


def method_of(row: Row) -> Method:
    return Method(name=row.method, version=row.method_version, reference=row.reference)


def boards(rows: list[Row]) -> list[Board]:
    """All suites together when there are several, then suite by suite: columns of the overview."""
    suites: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        suites[row.suite, row.suite_version].append(row)
    latest = {name: version for name, version in sorted(suites, key=lambda key: (key[0], natural(key[1])))}
    single = [
        board(some, key=f"{name}-{version}", title=name, suite=name, version=version)
        for (name, version), some in suites.items()
    ]
    if len(latest) < 2:
        return single
    current = [row for row in rows if latest[row.suite] == row.suite_version]
    return [board(current, key="all", title="all suites together", suite="", version=""), *single]


def natural(version: str) -> tuple[bool, int, str]:
    """Versions in their order: numbers by size, words before them."""
    return (version.isdecimal(), int(version) if version.isdecimal() else 0, version)


def board(
    rows: list[Row], key: str, title: str, suite: str, version: str, columns: list[Column] | None = None
) -> Board:
    """One board over all clips of some rows."""
    scores, clips = Scores.of(rows), sorted({(row.suite, row.clip) for row in rows})
    columns = overview_columns(rows) if columns is None else columns
    columns = [column for column in columns if column.group != "Cost" or _any_value(scores, column)]
    methods = sorted({method_of(row) for row in rows}, key=lambda method: (method.name, natural(method.version)))
    columns_of_cells = [_cells(scores, methods, column, clips) for column in columns]
    lines = [
        Line(method=method, cells=[cells[place] for cells in columns_of_cells]) for place, method in enumerate(methods)
    ]
    main = headline(columns)
    order = columns.index(main) if main else None
    return Board(
        key=key, title=title, suite=suite, version=version, clips=clips, columns=columns, headline=main,
        lines=sorted(lines, key=lambda line: (line.method.reference, _rank(line, order, columns), line.method.name)),
    )  # fmt: skip


def _any_value(scores: Scores, column: Column) -> bool:
    if column.metrics == (SECONDS,):
        return True
    found = (
        place for key, place in scores.rows.items() if key[1:] == (column.protocol, column.version, column.metrics[0])
    )
    return any(row.value is not None for place in found for row in place.values())


def protocol_board(rows: list[Row], key: str, title: str, suite: str, version: str) -> Board:
    """One board with every metric of the rows as a column of its own."""
    return board(rows, key, title, suite, version, metric_columns(rows))


def _rank(line: Line, order: int | None, columns: list[Column]) -> tuple[int, float]:
    cell = line.cells[order] if order is not None else None
    if cell is None or order is None or cell.interval is None:
        return (2, 0.0)
    sign = 1.0 if columns[order].better == "lower" else -1.0
    return (0 if cell.ranked else 1, sign * cell.interval.mean)


def _cells(scores: Scores, methods: list[Method], column: Column, clips: list[ClipKey]) -> list[Cell]:
    values = {method: scores.values(method, column, clips) for method in methods}
    known = np.any([np.isfinite(value) for value in values.values()], axis=0)
    cells = {}
    for method, value in values.items():
        has = np.isfinite(value)
        weights = np.where(has, scores.weights(method, column, clips), 0.0)
        mean = interval(value[has], weights[has]) if has.any() and weights.sum() else None
        note = scores.note(method, column, clips)
        cells[method] = Cell(interval=mean, scored=int(has.sum()), clips=int(known.sum()), note=note)
    return list(_marked(cells, scores, column, clips).values())


def _marked(cells: dict[Method, Cell], scores: Scores, column: Column, clips: list[ClipKey]) -> dict[Method, Cell]:
    """Best, ties with it and second among the contestants that have all clips; with one of them nothing was won."""
    sign = 1.0 if column.better == "lower" else -1.0
    means = {m: sign * c.interval.mean for m, c in cells.items() if c.interval and c.ranked and not m.reference}
    if len(means) < 2 or not column.better:
        return cells
    order = sorted(means, key=lambda method: means[method])
    marks = {method: "best" for method in order if means[method] == means[order[0]]}
    for method in order:
        pair = scores.paired(order[0], method, column, clips)
        if method not in marks and pair and pair.tied:
            marks[method] = "tied"
    rest = [method for method in order if marks.get(method) != "best"]
    if rest and rest[0] not in marks:
        marks[rest[0]] = "second"
    return {method: replace(cell, mark=marks.get(method, "")) for method, cell in cells.items()}


def pairs(
    scores: Scores, methods: list[Method], column: Column, clips: list[ClipKey]
) -> dict[tuple[Method, Method], Pair]:
    """Every two methods, clip by clip; those that share no clip are left out."""
    found = {}
    for place, first in enumerate(methods):
        for second in methods[place + 1 :]:
            pair = scores.paired(first, second, column, clips)
            if pair:
                found[first, second] = pair
    return found
