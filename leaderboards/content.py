"""Rows to the files of the site: pure but for reading templates, reported numbers and the list of drawn clips."""

import re
import shlex
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

from benchmark.registry import find_method, method_names
from benchmark.rows import Row, read_rows
from leaderboards import figures, tables
from leaderboards.answering import answers
from leaderboards.board import Board, Method, Scores, boards, method_of, natural, pairs, protocol_board
from leaderboards.cards import USES
from leaderboards.clip_pages import clip_files, extremes
from leaderboards.columns import Column, headline
from leaderboards.drawing import Figure
from leaderboards.kin import reported_lines
from leaderboards.pages import method_page, render
from leaderboards.protocol_pages import described, protocol_files
from leaderboards.publication import Publication
from leaderboards.reported import ReportedTable, read_reported
from leaderboards.split_figures import split_figures
from leaderboards.sureness import EXACT_UP_TO, fewest_clips
from leaderboards.words import Comparison, certainty, column_text, comparison, cut, slug
from vdpm.errors import UserError

HERE = Path(__file__).resolve().parent
ASSETS = HERE / "assets"
Files = dict[Path, bytes]
Checked = dict[tuple[str, str], Publication]


@dataclass(frozen=True, kw_only=True)
class Run:
    """Where the numbers of a method on a suite come from."""

    suite: str
    suite_version: str
    command: str
    commit: str
    date: str
    device: str
    weights: str
    checked: str


def collect(results: Path, more: tuple[Path, ...]) -> list[Row]:
    """All rows in a fixed order. Raises `UserError` when there are none or two speak of the same thing."""
    files = [*sorted(results.glob("*.jsonl")), *more]
    rows = [row for file in files for row in read_rows(file)]
    if not rows:
        raise UserError(
            f"no result rows in {results}; make some with python benchmark/run.py --method still, then python "
            "leaderboards/submit.py runs/mini/still"
        )
    twice = [key for key, count in Counter(map(_key, rows)).items() if count > 1]
    if twice:
        raise UserError(f"{len(twice)} rows are there more than once, first {' '.join(twice[0])}; name each file once")
    return sorted(rows, key=_key)


def _key(row: Row) -> tuple[str, ...]:
    return (row.suite, row.suite_version, row.protocol, row.protocol_version, row.method, row.method_version,
            row.metric, row.clip)  # fmt: skip


def site(rows: list[Row], checked: Checked, media: Path, code_url: str) -> Files:
    """Every file of the site but what was drawn from predictions, by its place."""
    printed, scores, all_boards = read_reported(), Scores.of(rows), boards(rows)
    single = [board for board in all_boards if board.suite]
    drawn = {board.key: _drawn(rows, scores, board, checked) for board in all_boards}
    pages = {
        "index.html": _overview(rows, scores, all_boards, printed, drawn[all_boards[0].key]),
        "compare.html": _compare(scores, all_boards),
        "figures.html": render("figures.html.jinja", "figures.html", groups=[(b, drawn[b.key]) for b in all_boards]),
    }
    pages |= _methods(rows, scores, single, checked)
    pages |= protocol_files(rows, code_url)
    pages |= clip_files(scores, single, families(rows), media)
    pages["reported.html"] = _reported(rows, printed)
    pages["problems.html"] = _problems(rows, single, checked)
    pages |= {
        "leaderboard.md": tables.markdown(all_boards, printed),
        "tables/leaderboard.csv": tables.comma_separated(all_boards),
        "tables/leaderboard.tex": tables.latex(all_boards),
        ".nojekyll": "",
    }
    files = {Path(name): text.encode() for name, text in pages.items()} | {
        Path("figures") / name: content
        for some in drawn.values()
        for each in some
        for name, content in each.files.items()
    }
    return files | {Path("assets") / path.name: path.read_bytes() for path in sorted(ASSETS.iterdir())}


def families(rows: list[Row]) -> dict[tuple[str, str], str]:
    return {(row.suite, row.clip): row.family for row in rows}


def _overview(
    rows: list[Row], scores: Scores, found: list[Board], printed: list[ReportedTable], drawn: list[Figure]
) -> str:
    reported = {board.key: reported_lines(board, printed) for board in found}
    tags = {tag for row in rows for tag in method_of(row).card.tags}
    tags |= {tag for lines in reported.values() for line in lines for tag in line.card.tags}
    text, compared = certainty(found[0], scores)
    return render(
        "index.html.jinja", "index.html", boards=found, answers=answers(found[0], scores), reported=reported,
        frames_choices=sorted({column.frames for board in found for column in board.columns}),
        data_choices=sorted(tags, key=lambda tag: (tag != "none", tag == "not stated", tag)),
        use_choices=list(USES.items()), figures=drawn[:2],
        certainty={"text": text, "pairs": compared}, blanks={board.key: blanks(board) for board in found},
    )  # fmt: skip


def _drawn(rows: list[Row], scores: Scores, board: Board, checked: Checked) -> list[Figure]:
    """The figures of a board, the two of the overview first."""
    name = slug(board.key)
    drawn = [
        figures.pareto(board, f"pareto-{name}"),
        figures.groups(board, scores, families(rows), f"families-{name}", "family"),
    ]
    if not board.suite:
        drawn.append(figures.groups(board, scores, {clip: clip[0] for clip in board.clips}, f"suites-{name}", "suite"))
    return [*drawn, *split_figures(board, checked)]


def blanks(board: Board) -> list[str]:
    """ "method, column: reason", each reason of a method once."""
    told: dict[tuple[str, str], str] = {}
    for line in board.lines:
        for column, cell in zip(board.columns, line.cells, strict=True):
            if cell.note and cell.note != "not run" and not (column.group == "Cost" and cell.interval):
                told.setdefault((line.method.label, cell.note), column_text(column))
    return [f"{method}, {column}: {note}" for (method, note), column in told.items()]


def _compare(scores: Scores, found: list[Board]) -> str:
    names, sections = {}, []
    for board in found:
        for column in (each for each in board.columns if each.group != "Cost"):
            title = f"{column_text(column)} on {cut(board.title)}"
            names.setdefault(column.key, column_text(column))
            compared = _pairs(scores, board, column)
            sections.append({"board": board.key, "column": column.key, "title": title, "pairs": compared})
    main = found[0].headline
    methods = sorted({line.method.name for board in found for line in board.lines})
    return render(
        "compare.html.jinja", "compare.html", boards=found, columns=list(names.items()), methods=methods,
        tables=sections, chosen=main.key if main else "", exact=EXACT_UP_TO, fewest=fewest_clips(),
    )  # fmt: skip


def _pairs(scores: Scores, board: Board, column: Column) -> list[Comparison]:
    """All pairs of a column, the better mean first."""
    lines = [line for line in board.lines if board.cell(line, column).interval]
    sign = -1.0 if column.better == "higher" else 1.0
    lines.sort(key=lambda line: (sign * board.mean(line, column), line.method.name))
    found = pairs(scores, [line.method for line in lines], column, board.clips)
    return [comparison(first.name, second.name, pair, column) for (first, second), pair in found.items()]


def _methods(rows: list[Row], scores: Scores, single: list[Board], checked: Checked) -> dict[str, str]:
    by_method: dict[Method, list[Row]] = defaultdict(list)
    for row in rows:
        by_method[method_of(row)].append(row)
    wide = [_wide(rows, board) for board in single]
    return {
        method_page(method): _method(method, own, scores, wide, checked)
        for method, own in sorted(by_method.items(), key=lambda item: (item[0].name, natural(item[0].version)))
    }


def _wide(rows: list[Row], board: Board) -> Board:
    """A board with every metric of every protocol."""
    own = [row for row in rows if (row.suite, row.suite_version) == (board.suite, board.version)]
    return protocol_board(own, board.key, board.title, board.suite, board.version)


def _method(method: Method, rows: list[Row], scores: Scores, wide: list[Board], checked: Checked) -> str:
    known = find_method(method.name) if method.name in method_names() else None
    current = known if known and known.version == method.version else None
    own = [board for board in wide if any(line.method == method for line in board.lines)]
    return render(
        "method.html.jinja", method_page(method), method=method, boards=own,
        description=current.description if current else "", needs=current.needs if current else "",
        runs=[_run(some, checked) for some in _by_suite(rows)],
        extremes={board.key: extremes(scores, board, method, headline(board.columns)) for board in own},
    )  # fmt: skip


def _by_suite(rows: list[Row]) -> list[list[Row]]:
    found: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        found[row.suite, row.suite_version].append(row)
    return list(found.values())


def _run(rows: list[Row], checked: Checked) -> Run:
    row, record = rows[0], checked.get((rows[0].suite, rows[0].method))
    usual = f"python benchmark/run.py --method {shlex.quote(row.method)} --suite {shlex.quote(row.suite)}"
    return Run(
        suite=row.suite,
        suite_version=row.suite_version,
        command=record.command if record else usual,
        commit=", ".join(sorted({re.sub(r"^([0-9a-f]{10})[0-9a-f]{30}", r"\1", each.commit) for each in rows})),
        date=", ".join(sorted({each.date for each in rows})),
        device=record.device if record else "not stated",
        weights=record.weights if record else "",
        checked=f"{len(record.rescored)} clips scored again" if record else "not checked",
    )


def _reported(rows: list[Row], printed: list[ReportedTable]) -> str:
    names = {page.name: page.file for page in described(rows)}
    return render(
        "reported.html.jinja", "reported.html", tables=printed, protocol_files=names,
        datasets=sorted({name for table in printed for name in table.datasets}),
        groups=list(dict.fromkeys(table.group for table in printed)),
    )  # fmt: skip


def _problems(rows: list[Row], single: list[Board], checked: Checked) -> str:
    told = {
        f"{row.method} v{row.method_version} on {row.suite}, {row.protocol}: {row.note}"
        for row in rows
        if row.value is None and row.note
    }
    runs = {(row.suite, row.method) for row in rows}
    return render(
        "problems.html.jinja", "problems.html", blanks=sorted(told),
        suites=", ".join(f"{cut(board.title)} has {len(board.clips)} clips" for board in single),
        unchecked=sorted(f"{method} on {suite}" for suite, method in runs - set(checked)),
    )  # fmt: skip
