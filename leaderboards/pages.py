"""Records to pages: templates, and the filters that templates speak. Every name is escaped; nothing is fetched."""

from itertools import groupby
from pathlib import Path
from typing import Any

import jinja2

from benchmark.table import number
from leaderboards.board import Board, Cell, Line, Method
from leaderboards.columns import Column
from leaderboards.words import cut, short, slug, span

HERE = Path(__file__).resolve().parent
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; frame-src 'self'; base-uri 'none'; "
    "form-action 'none'"
)


def protocol_page(protocol: str, version: str) -> str:
    return f"protocols/{slug(f'{protocol}-v{version}')}.html"


def method_page(method: Method) -> str:
    return f"methods/{slug(f'{method.name}-v{method.version}')}.html"


def clip_page(suite: str, clip: str) -> str:
    return f"clips/{slug(suite)}/{slug(clip)}.html"


def column_groups(board: Board) -> list[tuple[str, int]]:
    """Headings over neighbouring columns and how many of these are shown at first."""
    spans = []
    for group, columns in groupby(board.columns, lambda column: column.group):
        spans.append((group, max(1, sum(not column.moving or column == board.headline for column in columns))))
    return spans


def starts_group(board: Board, place: int) -> bool:
    return place == 0 or board.columns[place].group != board.columns[place - 1].group


def bodies(board: Board) -> list[tuple[str, list[Line]]]:
    """Contestants and references, each when there are any."""
    parts = [("measured", board.contestants), ("references", [line for line in board.lines if line.method.reference])]
    return [(kind, lines) for kind, lines in parts if lines]


def method_cells(board: Board, method: Method) -> list[tuple[Column, Cell]]:
    """The columns of a board in which a method was run."""
    line = next(line for line in board.lines if line.method == method)
    return [(column, cell) for column, cell in zip(board.columns, line.cells, strict=True) if cell.note != "not run"]


def exact(value: float) -> str:
    """Enough digits to sort by."""
    return f"{value:.5g}"


def _protocol_link(column: Column) -> str:
    return protocol_page(column.protocol, column.version)


ENVIRONMENT = jinja2.Environment(
    loader=jinja2.FileSystemLoader(HERE / "templates"), autoescape=True, undefined=jinja2.StrictUndefined,
    trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
)  # fmt: skip
ENVIRONMENT.filters |= {
    "short": short, "range": span, "cut": cut, "slug": slug, "number": number, "exact": exact, "groups": column_groups,
    "starts": starts_group, "bodies": bodies, "method_cells": method_cells, "method_page": method_page,
    "protocol_page": _protocol_link,
}  # fmt: skip


def render(template: str, file: str, **content: Any) -> str:
    """A page that will lie at `file` below the site."""
    root = "../" * file.count("/")
    return ENVIRONMENT.get_template(template).render(root=root, here=file, policy=POLICY, **content)
