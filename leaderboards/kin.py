"""Reported rows beside measured ones: which printed sets are of the same kind as a suite, and in which columns they fit."""

from dataclasses import dataclass

from leaderboards.board import Board
from leaderboards.cards import Card, card
from leaderboards.columns import Column
from leaderboards.reported import ReportedTable
from leaderboards.words import short, slug

SAME_KIND = {"Kubric-F": ("kubric_f", "mini"), "Kubric-G": ("kubric_g",)}
"""Printed sets, and how the names of suites with clips of the same law begin."""
OWN = {"EPE P0(t0)": "epe_p0_t0", "EPE P0(t1)": "epe_p0_t1", "EPE P1(t0)": "epe_p1_t0", "EPE P1(t1)": "epe_p1_t1",
       "EPE P0(t0…t9)": "epe_track"}  # fmt: skip
"""Printed metrics that ask what one of ours asks."""


@dataclass(frozen=True, kw_only=True)
class ReportedLine:
    """A method of a paper in a board: for each column the printed digits, or "", and where they are from or why blank."""

    name: str
    anchor: str
    cells: list[tuple[str, str]]

    @property
    def card(self) -> Card:
        return card(self.name)


def reported_lines(board: Board, tables: list[ReportedTable]) -> list[ReportedLine]:
    """Rows of papers on sets of the same kind as a suite, by name."""
    sets = {printed for printed, suites in SAME_KIND.items() if board.suite.startswith(suites)}
    found: dict[str, dict[tuple[str, str], tuple[str, str]]] = {}
    anchors: dict[str, str] = {}
    for table in tables:
        for name, numbers in table.rows.items() if table.like else ():
            for column, number in zip(table.columns, numbers, strict=True):
                if column.dataset in sets and column.metric in OWN and number != "-":
                    note = f"{column.dataset}, {table.paper.title}, {table.place}"
                    found.setdefault(name, {})[table.like, OWN[column.metric]] = (number, note)
                    anchors.setdefault(name, slug(table.key))
    return [
        ReportedLine(name=name, anchor=anchors[name], cells=[_cell(printed, column) for column in board.columns])
        for name, printed in sorted(found.items())
    ]


def _cell(printed: dict[tuple[str, str], tuple[str, str]], column: Column) -> tuple[str, str]:
    found = [printed.get((column.protocol, metric)) for metric in column.metrics]
    if not all(found):
        return "", "not reported"
    texts = [each[0] for each in found if each]
    note = next(each[1] for each in found if each)
    if len(texts) == 1:
        return texts[0], note
    return short(sum(map(float, texts)) / len(texts)), f"mean of the printed {', '.join(texts)}: {note}"
