"""Numbers that papers print (`reported.toml`): read, checked, and kept as the text that was printed."""

import tomllib
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Literal

from vdpm.errors import UserError

FILE = Path(__file__).with_name("reported.toml")
KINDS = {"share": "", "percent": "%"}
HIGHER = ("δ", "AUC", "APD", "within", "Acc", "TrackScore", "FPS")
"""Beginnings of the names of metrics of which more is better."""
UNITS = {"RPE-r": "deg", "object RPE-r": "deg", "million parameters": "M", "GPU memory MB": "MB", "seconds": "s"}


@dataclass(frozen=True, kw_only=True)
class Paper:
    """Where numbers are printed."""

    key: str
    title: str
    citation: str
    url: str


@dataclass(frozen=True, kw_only=True)
class Printed:
    """A column of a paper's table."""

    dataset: str
    metric: str
    unit: str
    better: Literal["lower", "higher"]


@dataclass(frozen=True, kw_only=True)
class ReportedTable:
    """One table of a paper; `rows` hold the digits as printed, "-" where nothing is."""

    paper: Paper
    place: str
    title: str
    group: str
    like: str
    """Our protocol that asks the same question, "" for none."""
    differences: str
    columns: tuple[Printed, ...]
    rows: dict[str, tuple[str, ...]]

    @property
    def key(self) -> str:
        return f"{self.paper.key}: {self.place}"

    @property
    def datasets(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(column.dataset for column in self.columns))


def read_reported(file: Path = FILE) -> list[ReportedTable]:
    """All tables in the order of the file. Raises `UserError` naming table and row when a row does not fit."""
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise UserError(f"cannot read reported numbers {file}: {error}; restore it with git") from error
    papers = {key: Paper(key=key, **facts) for key, facts in content["papers"].items()}
    return [_table(papers, facts) for facts in content["tables"]]


def _table(papers: dict[str, Paper], facts: dict) -> ReportedTable:
    kind = KINDS[facts.get("kind", "share")]
    columns = tuple(_column(dataset, metric, kind) for dataset, metric in product(facts["datasets"], facts["metrics"]))
    rows = {}
    for line in filter(None, map(str.strip, facts["rows"].splitlines())):
        name, _, numbers = line.partition("  ")
        rows[name] = tuple(numbers.split())
        _check(f"{facts['paper']}, {facts['place']}, {name}", rows[name], len(columns))
    return ReportedTable(
        paper=papers[facts["paper"]],
        place=facts["place"],
        title=facts["title"],
        group=facts["group"],
        like=facts.get("like", ""),
        differences=" ".join(facts["differences"].split()),
        columns=columns,
        rows=rows,
    )


def _column(dataset: str, metric: str, kind: str) -> Printed:
    higher = metric.startswith(HIGHER)
    unit = UNITS.get(metric, kind if higher else "")
    return Printed(dataset=dataset, metric=metric, unit=unit, better="higher" if higher else "lower")


def _check(place: str, numbers: tuple[str, ...], wanted: int) -> None:
    if len(numbers) != wanted:
        raise UserError(
            f"reported numbers of {place}: {len(numbers)} numbers, {wanted} columns; compare with the paper"
        )
    for number in numbers:
        try:
            _ = number == "-" or float(number)
        except ValueError as error:
            raise UserError(f"reported numbers of {place}: {number!r} is not a number; '-' is not printed") from error
