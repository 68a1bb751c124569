"""A page per clip: every method's scores on it, and what `drill.py` drew from the predictions where it did."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from leaderboards.board import Board, ClipKey, Method, Scores
from leaderboards.columns import Column
from leaderboards.drill import PARTS, STRIP
from leaderboards.pages import clip_page, render
from leaderboards.words import short, slug


@dataclass(frozen=True, kw_only=True)
class ClipCard:
    """A clip in a list."""

    name: str
    family: str
    page: str
    strip: str
    """Picture of its frames, "" when none was drawn."""
    best: str
    """The contestant with the smallest headline error on it."""


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """What was drawn of a method on a clip; places as the page of the clip sees them, "" for what was not."""

    method: Method
    error: str
    """Of the headline column."""
    depth: str
    path: str
    tracks: str
    viewer: str


@dataclass(frozen=True, kw_only=True)
class Link:
    """A clip as an example of a method's best or worst."""

    name: str
    page: str
    value: str


@dataclass(frozen=True, kw_only=True)
class Extremes:
    """The clips on which a method is best and worst, by the headline column."""

    text: str
    links: list[tuple[str, Link]]


def extremes(scores: Scores, board: Board, method: Method, column: Column | None) -> Extremes | None:
    """None when no clip has a value."""
    if column is None:
        return None
    values = scores.values(method, column, board.clips)
    order = [int(place) for place in np.argsort(values, kind="stable") if np.isfinite(values[place])]
    order = order if column.better == "lower" else order[::-1]
    if not order:
        return None
    chosen = list(dict.fromkeys(order[:2] + order[-2:]))
    links = [
        ("best on" if place in order[: (len(order) + 1) // 2] else "worst on", _link(board.clips[place], values[place]))
        for place in chosen
    ]
    return Extremes(
        text=f"By {column.title.partition(',')[0]}{' of moving pixels' if column.moving else ''}:", links=links
    )


def _link(clip: ClipKey, value: float) -> Link:
    return Link(name=clip[1], page=clip_page(*clip), value=short(float(value)))


def clip_files(scores: Scores, boards: list[Board], families: dict[ClipKey, str], media: Path) -> dict[str, str]:
    """The list of clips and a page for each."""
    files, groups = {}, []
    for board in boards:
        cards = [_card(scores, board, clip, families[clip], media) for clip in board.clips]
        groups.append((board, cards))
        for card, clip in zip(cards, board.clips, strict=True):
            values = {
                line.method.label: [_value(scores, line.method, column, clip) for column in board.columns]
                for line in board.lines
            }
            drawn = [found for line in board.lines if (found := _drawn(scores, board, line.method, clip, media))]
            files[card.page] = render(
                "clip.html.jinja", card.page, clip=card, board=board, values=values, drawn=drawn, main=board.headline
            )
    files["clips/index.html"] = render("clips.html.jinja", "clips/index.html", groups=groups)
    return files


def _drawn(scores: Scores, board: Board, method: Method, clip: ClipKey, media: Path) -> Drawn | None:
    folder = media / slug(clip[0]) / slug(clip[1])
    value = _value(scores, method, board.headline, clip) if board.headline else None
    places = {
        part: f"{slug(clip[1])}/{slug(method.name)}{ending}"
        if (folder / f"{slug(method.name)}{ending}").is_file()
        else ""
        for part, ending in PARTS.items()
    }
    if not any(places.values()):
        return None
    return Drawn(method=method, error="" if value is None else short(value), **places)


def _value(scores: Scores, method: Method, column: Column, clip: ClipKey) -> float | None:
    value = float(scores.values(method, column, [clip])[0])
    return value if np.isfinite(value) else None


def _card(scores: Scores, board: Board, clip: ClipKey, family: str, media: Path) -> ClipCard:
    strip = f"{slug(clip[0])}/{slug(clip[1])}/{STRIP}"
    best = ""
    if board.headline:
        sign = 1.0 if board.headline.better == "lower" else -1.0
        found = [(_value(scores, line.method, board.headline, clip), line.method.name) for line in board.contestants]
        ranked = sorted((sign * value, name) for value, name in found if value is not None)
        best = ranked[0][1] if ranked else ""
    drawn = f"clips/{strip}" if (media / strip).is_file() else ""
    return ClipCard(name=clip[1], family=family, page=clip_page(*clip), strip=drawn, best=best)
