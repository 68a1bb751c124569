"""Turn result rows into the leaderboard: one static page and one Markdown table.

    python leaderboards/build.py                            from leaderboards/results/*.jsonl
    python leaderboards/build.py --rows runs/*/*/rows.jsonl     and from rows that are not published

Equal rows give equal bytes. Rows come from `python benchmark/run.py ... --publish`.
"""

import html
import re
import shlex
from collections import Counter
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import jinja2
import tyro

from benchmark.metrics import METRICS
from benchmark.protocols import PROTOCOLS
from benchmark.registry import find_method, method_names
from benchmark.rows import Row, read_rows
from benchmark.table import ARROWS, Mean, number, summarise
from vdpm.errors import UserError, run_command
from vdpm.files import replacing

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True, kw_only=True)
class Config:
    """Turn result rows into the leaderboard: one static page and one Markdown table."""

    results: Path = HERE / "results"
    """Folder of published rows, *.jsonl."""
    rows: tuple[Path, ...] = ()
    """More files of rows."""
    out: Path = HERE / "site"
    """Folder that gets index.html and leaderboard.md."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """A metric as a column."""

    metric: str
    group: str
    title: str
    unit: str
    better: str

    @property
    def heading(self) -> str:
        return f"{self.title} {ARROWS[self.better]}"


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A mean over clips as text, and what a reader may want to know about it."""

    text: str
    scored: str = ""
    """ "5/6" when only some clips have a value."""
    note: str = ""
    best: bool = False


@dataclass(frozen=True, kw_only=True)
class Line:
    """A method in a table."""

    method: str
    reference: bool
    cells: list[Cell]


@dataclass(frozen=True, kw_only=True)
class Table:
    """All methods under one protocol: contestants first, best first, then the references."""

    title: str
    name: str
    description: str
    columns: list[Column]
    lines: list[Line]
    blanks: list[str]
    """"method: reason", each once."""

    @property
    def groups(self) -> list[tuple[str, int]]:
        """Headings over neighbouring columns, and how many they span."""
        return [(group, len(list(columns))) for group, columns in groupby(self.columns, lambda c: c.group)]


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where the numbers of a method come from."""

    method: str
    description: str
    commit: str
    date: str
    command: str


@dataclass(frozen=True, kw_only=True)
class Section:
    """One version of a suite."""

    suite: str
    version: str
    clips: int
    tables: list[Table]
    sources: list[Source]


def collect(results: Path, more: tuple[Path, ...]) -> list[Row]:
    """All rows in a fixed order. Raises `UserError` when there are none or two speak of the same thing."""
    files = [*sorted(results.glob("*.jsonl")), *more]
    rows = [row for file in files for row in read_rows(file)]
    if not rows:
        raise UserError(f"no result rows in {results}; make some with python benchmark/run.py --method still --publish")
    twice = [key for key, count in Counter(map(_key, rows)).items() if count > 1]
    if twice:
        raise UserError(f"{len(twice)} rows are there more than once, first {' '.join(twice[0])}; name each file once")
    return sorted(rows, key=_key)


def _key(row: Row) -> tuple[str, ...]:
    return (row.suite, row.suite_version, row.protocol, row.protocol_version, row.method, row.method_version,
            row.metric, row.clip)  # fmt: skip


def sections(rows: list[Row]) -> list[Section]:
    """What the page says, suite by suite."""
    return [_section(list(group)) for _, group in groupby(rows, lambda row: (row.suite, row.suite_version))]


def _section(rows: list[Row]) -> Section:
    means = summarise(rows)
    order = list(PROTOCOLS)
    protocols = sorted(
        {(mean.protocol, mean.protocol_version) for mean in means},
        key=lambda key: (order.index(key[0]) if key[0] in order else len(order), key),
    )
    return Section(
        suite=rows[0].suite,
        version=rows[0].suite_version,
        clips=len({row.clip for row in rows}),
        tables=[_table(*key, [m for m in means if (m.protocol, m.protocol_version) == key]) for key in protocols],
        sources=[_source(list(group)) for _, group in groupby(sorted(rows, key=_label), _label)],
    )


def _label(row: Row | Mean) -> str:
    return f"{row.method} v{row.method_version}"


def _table(name: str, version: str, means: list[Mean]) -> Table:
    known = PROTOCOLS.get(name)
    columns = _columns(means)
    best = {column.metric: _best(column, means) for column in columns}
    lines = []
    for method, group in groupby(sorted(means, key=_label), _label):
        cells = {mean.metric: mean for mean in group}
        reference = any(mean.reference for mean in cells.values())
        texts = [_cell(cells.get(column.metric), best[column.metric], reference) for column in columns]
        lines.append((_rank(cells.get(columns[0].metric)), Line(method=method, reference=reference, cells=texts)))
    return Table(
        title=known.title if known else name,
        name=f"{name} v{version}",
        description=known.description if known and known.version == version else "A protocol of an earlier version.",
        columns=columns,
        blanks=list(dict.fromkeys(f"{_label(mean)}: {mean.note}" for mean in means if mean.note)),
        lines=[line for _, line in sorted(lines, key=lambda item: (item[1].reference, item[0], item[1].method))],
    )


def _columns(means: list[Mean]) -> list[Column]:
    order = list(METRICS)
    names = {mean.metric: mean for mean in means}
    ranked = sorted(names, key=lambda name: (order.index(name) if name in order else len(order), name))
    ranked = sorted(ranked, key=lambda name: METRICS[name].moving if name in METRICS else True)
    return [
        Column(
            metric=name,
            group=METRICS[name].group if name in METRICS else "Other",
            title=METRICS[name].title if name in METRICS else name,
            unit=names[name].unit,
            better=names[name].better,
        )
        for name in ranked
    ]


def _best(column: Column, means: list[Mean]) -> float | None:
    """The best mean of the contestants; None when fewer than two have one, since then nothing was won."""
    values = [m.mean for m in means if m.metric == column.metric and m.mean is not None and not m.reference]
    if len(values) < 2:
        return None
    return min(values) if column.better == "lower" else max(values)


def _rank(mean: Mean | None) -> tuple[bool, float]:
    if mean is None or mean.mean is None:
        return (True, 0.0)
    return (False, mean.mean if mean.better == "lower" else -mean.mean)


def _cell(mean: Mean | None, best: float | None, reference: bool) -> Cell:
    if mean is None:
        return Cell(text=number(None), note="not run")
    partial = f"{mean.scored}/{mean.clips}" if 0 < mean.scored < mean.clips else ""
    won = best is not None and mean.mean == best and not reference
    return Cell(text=number(mean.mean), scored=partial, note=mean.note, best=won)


def _source(rows: list[Row]) -> Source:
    method, suite = rows[0].method, rows[0].suite
    known = find_method(method) if method in method_names() else None
    return Source(
        method=_label(rows[0]),
        description=known.description if known and known.version == rows[0].method_version else "",
        commit=", ".join(sorted({_short(row.commit) for row in rows})),
        date=", ".join(sorted({row.date for row in rows})),
        command=f"python benchmark/run.py --method {shlex.quote(method)} --suite {shlex.quote(suite)}",
    )


def _short(commit: str) -> str:
    return re.sub(r"^([0-9a-f]{10})[0-9a-f]{30}", r"\1", commit)


def page(content: list[Section]) -> str:
    """The page: self-contained HTML, every name escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    return environment.get_template("page.html.jinja").render(sections=content)


def markdown(content: list[Section]) -> str:
    """The same tables for readers of the repository."""
    lines = ["# Leaderboard", "", "Generated by `python leaderboards/build.py`; do not edit.", ""]
    for section in content:
        lines += [f"## {_plain(section.suite)} v{_plain(section.version)} ({section.clips} clips)", ""]
        for table in section.tables:
            lines += [f"### {_plain(table.title)}", "", _plain(table.description), ""]
            lines += [_bar(["method", *map(_heading, table.columns)]), _bar(["---", *["---:"] * len(table.columns)])]
            lines += [_bar([_name(line), *map(_value, line.cells)]) for line in table.lines]
            lines += [""]
    return "\n".join([*lines, "References are shown the truth. Mean over clips; – is a blank, never a zero.", ""])


def _bar(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _heading(column: Column) -> str:
    moving = column.metric in METRICS and METRICS[column.metric].moving
    unit = f" [{_plain(column.unit)}]" if column.unit else ""
    return f"{_plain(column.heading)}{' moving' if moving else ''}{unit}"


def _name(line: Line) -> str:
    return _plain(line.method) + (" *(reference)*" if line.reference else "")


def _value(cell: Cell) -> str:
    text = f"**{cell.text}**" if cell.best else cell.text
    return f"{text} ({cell.scored})" if cell.scored else text


def _plain(text: str) -> str:
    """Text that Markdown and HTML leave alone."""
    return re.sub(r"([\\`*_{}\[\]|#~])", r"\\\1", html.escape(" ".join(text.split())))


def main(config: Config) -> None:
    """Write the page and the table. Raises `UserError` for rows that are no rows and places that cannot be written."""
    content = sections(collect(config.results, config.rows))
    for name, text in (("index.html", page(content)), ("leaderboard.md", markdown(content))):
        with replacing(config.out / name) as file:
            file.write(text.encode())
        print(config.out / name)


if __name__ == "__main__":
    run_command(lambda: main(tyro.cli(Config, description=__doc__)))
