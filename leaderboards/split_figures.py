"""Figures of where errors come from: a line per method over the bins of a split, each clip of equal weight."""

import math
from typing import Any

import numpy as np

from leaderboards.board import Board
from leaderboards.drawing import GREY, Figure, canvas, finish
from leaderboards.figures import looks, short_name
from leaderboards.publication import Publication
from leaderboards.splits import SEEN, SPLITS, Split
from leaderboards.words import slug

LEAST_PIXELS = 20
"""Of a clip in a bin; fewer say nothing."""


def split_figures(board: Board, checked: dict[tuple[str, str], Publication]) -> list[Figure]:
    """One figure for each split that any submitted run of the board has; the truth itself is left out."""
    records = [
        publication
        for publication in checked.values()
        if board.suite in ("", publication.suite) and publication.method != "oracle"
    ]
    drawn = []
    for name, split in SPLITS.items():
        lines = {
            line.method.label: _means(
                name, [r for r in records if (r.method, r.method_version) == (line.method.name, line.method.version)]
            )
            for line in board.lines
        }
        lines = {label: means for label, means in lines.items() if np.isfinite(means).sum() > 1}
        if lines:
            drawn.append(_draw(board, split, f"{name}-{slug(board.key)}", lines))
    return drawn


def _means(name: str, records: list[Publication]) -> np.ndarray:
    """Mean over clips of the mean error in each bin; NaN where no clip has pixels enough."""
    clips = [bins for record in records for bins in record.splits.get(name, {}).values()]
    size = len(SPLITS[name].bins)
    values = [[total / count if count >= LEAST_PIXELS else math.nan for total, count in bins] for bins in clips]
    table = np.array(values, float).reshape(-1, size)
    known = np.isfinite(table)
    return np.where(known.any(axis=0), np.nansum(table, axis=0) / np.maximum(known.sum(axis=0), 1), math.nan)


def _draw(board: Board, split: Split, name: str, lines: dict[str, np.ndarray]) -> Figure:
    with canvas() as (figure, axes):
        where = np.arange(len(split.bins))
        for label, means in lines.items():
            look: dict[str, Any] = looks(board)[label]
            dashes = "--" if look["color"] == GREY else "-"
            dashes = "" if split.bins == SEEN else dashes  # kinds have no order that a line could follow
            axes.plot(where, means, ls=dashes, ms=6, lw=1.5, label=short_name(label.rpartition(" ")[0]), **look)
        long = max(map(len, split.bins)) > 10
        axes.set_xticks(where, [text.replace(" ", "\n", 1) if long else text for text in split.bins], fontsize=9)
        axes.set_xlabel(split.axis)
        axes.set_ylabel(split.error)
        axes.set_ylim(0.0, 1.08 * max(float(np.nanmax(means)) for means in lines.values()) or 1.0)
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=9, handlelength=1.6)
        caption = "Mean of the pixels of a bin, then of the clips that have some."
        label = f"{split.title} on {short_name(board.title)}: {len(lines)} methods"
        return finish(figure, name, split.title, caption, label)
