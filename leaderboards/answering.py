"""What a reader asks of the overview, answered from a board: which method moves points best, how sure is that, what does it
cost."""

from dataclasses import dataclass, replace

from leaderboards.board import Board, Line, Scores
from leaderboards.columns import SECONDS, Column, pooled
from leaderboards.sureness import LEVEL, fewest_clips
from leaderboards.words import column_text, comparison, cut, short, slug, span

BEST, SURE, COST = "Which method moves points best?", "How sure is that?", "What does it cost?"
MEMORY = ("cost_ram",)
"""The column of memory that is said in short."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A question of a reader, the answer in a few words, and what has to be said with it."""

    question: str
    short: str
    long: str
    page: str = ""


def answers(board: Board, scores: Scores) -> list[Answer]:
    """Of the contestants that have a value on all clips, by the headline column."""
    main = board.headline
    ranked = [line for line in board.contestants if main and board.cell(line, main).ranked]
    if main is None or not ranked:
        return [Answer(question=BEST, short="None has been measured", long="Add one.")]
    return [_best(board, main, ranked[0]), _sure(board, scores, main, ranked), _cost(board, ranked[0])]


def _still(board: Board) -> Line | None:
    """Who moves nothing, with true geometry and cameras."""
    return next((line for line in board.lines if line.method.name == "still"), None)


def _best(board: Board, main: Column, best: Line) -> Answer:
    cell, still = board.cell(best, main), _still(board)
    assert cell.interval is not None
    floor = board.cell(still, main).interval if still else None
    unit = f" {main.unit}" if main.unit else ""
    text = f"{column_text(main)}: {short(cell.interval.mean)}{unit}{_unpooled(board, main, best)}, where 0 is the truth"
    if floor:
        text += f" and {short(floor.mean)}{unit} is scored by moving nothing at all, with true geometry and cameras"
    text += f". {f'On {cut(board.title)}.' if board.suite else 'Over all suites together.'}"
    page = f"methods/{slug(f'{best.method.name}-v{best.method.version}')}.html"
    sign = 1.0 if main.better == "lower" else -1.0
    if floor and sign * cell.interval.mean >= sign * floor.mean - 1e-9:
        text = f"Best is {cut(best.method.name)}, {text[0].lower()}{text[1:]}"
        return Answer(question=BEST, short="None beats standing still", long=text, page=page)
    return Answer(question=BEST, short=cut(best.method.name), long=text, page=page)


def _unpooled(board: Board, main: Column, best: Line) -> str:
    """The other reading of a column that is pooled."""
    key = replace(main, metrics=tuple(name.removesuffix("_pooled") for name in main.metrics)).key
    found = next((board.cell(best, column).interval for column in board.columns if column.key == key), None)
    if not found or not pooled(main):
        return ""
    return f" (as a mean over clips, where one that hardly moves counts like any other: {short(found.mean)})"


def _sure(board: Board, scores: Scores, main: Column, ranked: list[Line]) -> Answer:
    best, rest = ranked[0], ranked[1:]
    cell, still = board.cell(best, main), _still(board)
    assert cell.interval is not None
    text = f"95 % interval {span(cell.interval)} over {cell.scored} clip{'' if cell.scored == 1 else 's'}."
    text += "".join(_against(scores, main, best, line, board) for line in [*rest[:1], *([still] if still else [])])
    ties = [cut(line.method.name) for line in rest if board.cell(line, main).mark in ("tied", "best")]
    if not rest:
        return Answer(question=SURE, short="It stands alone", long=f"{text} No other contestant has all clips.")
    if cell.scored < fewest_clips():
        text += f" Fewer than {fewest_clips()} clips can show no difference at all."
    if ties:
        told = ties[0] if len(ties) == 1 else f"{len(ties)} others"
        more = f" Also tied: {', '.join(ties[1:])}." if len(ties) > 1 else ""
        return Answer(question=SURE, short=f"Tied with {told}", long=text + more)
    many = f"all {len(rest)} others" if len(rest) > 1 else "the other"
    return Answer(question=SURE, short=f"Better than {many}", long=text)


def _against(scores: Scores, main: Column, best: Line, other: Line, board: Board) -> str:
    """The paired test against another method in a sentence."""
    pair = scores.paired(best.method, other.method, main, board.clips)
    if pair is None:
        return ""
    if pair.first_lower == pair.second_lower == 0:
        return f" Equal to {cut(other.method.name)} on all {pair.difference.count} clips."
    found = comparison(best.method.name, other.method.name, pair, main)
    verdict = f"a tie, p ≥ {LEVEL:g}" if pair.tied else f"p {found.p if found.p[0] == '<' else f'= {found.p}'}"
    return f" Against {cut(other.method.name)} better by {found.by} ({found.range}), on {found.wins} clips: {verdict}."


def _cost(board: Board, best: Line) -> Answer:
    found = {column: board.cell(best, column).interval for column in board.columns if column.group == "Cost"}
    known = {column: f"{short(mean.mean)} {column.unit}".rstrip() for column, mean in found.items() if mean is not None}
    seconds, memory = (
        next((text for column, text in known.items() if column.metrics == metrics), "")
        for metrics in ((SECONDS,), MEMORY)
    )
    rest = "; ".join(
        f"{column.title} {text}" for column, text in known.items() if column.metrics not in ((SECONDS,), MEMORY)
    )
    devices = {board.cell(best, column).note for column in known} - {""}
    where = f" on {cut(devices.pop())}" if len(devices) == 1 else ""
    text = f"{cut(best.method.name)}{where}, a whole clip of the suite, and the most memory it held; {rest or 'nothing else was measured'}."
    brief = f"{seconds or '?'} a clip{f', {memory}' if memory else ''}"
    return Answer(
        question=COST,
        short=brief if known else "Not measured",
        long=text if known else "No run has said how long it took.",
    )
