"""Learning curves of runs, drawn from their JSON lines: what was trained on, and what the benchmark said."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from vdpm.errors import UserError
from vdpm.training.journal import read_curve
from vdpm.training.validate import read_scores

WINDOW = 0.03
"""Share of a curve that the running mean is over."""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One diagram: curves of training by name, and the ends of the names of scores."""

    title: str
    curves: tuple[str, ...]
    scores: tuple[str, ...] = ()
    at_one: str = ""
    """What a line at 1 says, "" for none."""
    logarithmic: bool = False


PANELS = (
    Panel(
        title="Displacement error, moving pixels",
        curves=("displacement_error",),
        scores=("displacement_error_pooled",),
        at_one="nothing moves",
    ),
    Panel(title="Match accuracy", curves=("match_accuracy", "match_moving")),
    Panel(title="Depth AbsRel and point error", curves=("point_error",), scores=("depth_absrel",)),
    Panel(title="ATE on the suite, m", curves=(), scores=("pose_ate",)),
    Panel(title="Losses", curves=("loss", "loss_*"), logarithmic=True),
    Panel(title="Learning rate and gradient", curves=("lr", "grad_norm"), logarithmic=True),
)


def curves(runs: Sequence[Path], by: str) -> Figure:
    """A diagram for each of `PANELS` that some run has values for; several runs share them. `by` is step or windows.

    Raises `UserError` for a folder without a curve.
    """
    rows = {run: read_curve(run) for run in runs}
    for run, found in rows.items():
        if not found:
            raise UserError(f"no curve in {run}: name the --out of a training that has logged something")
    drawn = [
        panel for panel in PANELS if any(_names(panel, found) or _scored(panel, run) for run, found in rows.items())
    ]
    figure = Figure(figsize=(12, 3.2 * -(-len(drawn) // 3)), layout="constrained")
    for place, panel in enumerate(drawn):
        axes = figure.add_subplot(-(-len(drawn) // 3), 3, place + 1)
        for index, (run, found) in enumerate(rows.items()):
            _draw(axes, panel, run, found, by, f"C{index}" if len(rows) > 1 else None)
        _finish(axes, panel, by)
    return figure


def _names(panel: Panel, rows: list[dict[str, Any]]) -> list[str]:
    """Curves of a panel that a run has; a star stands for any ending."""
    there = sorted({name for row in rows for name in row})
    return [
        name for name in there if any(name == w or (w[-1] == "*" and name.startswith(w[:-1])) for w in panel.curves)
    ]


def _scored(panel: Panel, run: Path) -> list[str]:
    names = sorted({name for row in read_scores(run) for name in row})
    return [name for name in names if panel.scores and name.endswith(panel.scores)]


def _draw(axes: Axes, panel: Panel, run: Path, rows: list[dict[str, Any]], by: str, colour: str | None) -> None:
    """Running means of training as lines, scores as dots; a run has one colour where there are several."""
    lead = f"{run.name}: " if colour else ""
    for name in _names(panel, rows):
        chosen = [row for row in rows if name in row]
        x, y = [row[by] for row in chosen], smooth(np.array([row[name] for row in chosen], float))
        axes.plot(x, y, label=f"{lead}{name}", linewidth=1.2, color=colour, alpha=0.85)
    scores = read_scores(run)
    for name in _scored(panel, run):
        chosen = [row for row in scores if name in row]
        x = np.interp([row["step"] for row in chosen], [row["step"] for row in rows], [row[by] for row in rows])
        axes.plot(x, [row[name] for row in chosen], "o--", markersize=4, label=f"{lead}{name}", color=colour)


def _finish(axes: Axes, panel: Panel, by: str) -> None:
    if panel.at_one:
        axes.axhline(1.0, color="0.6", linewidth=0.8, linestyle=":")
        axes.annotate(
            panel.at_one, (0.99, 1.0), xycoords=("axes fraction", "data"), fontsize=7, ha="right", va="bottom"
        )
    if panel.logarithmic:
        axes.set_yscale("log")
    axes.set_title(panel.title, fontsize=10)
    axes.set_xlabel({"windows": "windows seen", "step": "steps", "seconds": "seconds of training"}[by], fontsize=8)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.25)
    axes.legend(fontsize=6, framealpha=0.6)


def smooth(values: np.ndarray) -> np.ndarray:
    """Running mean over a share of the curve, shorter at its ends."""
    reach = max(1, round(WINDOW * len(values) / 2))
    total = np.concatenate([[0.0], np.cumsum(values)])
    place = np.arange(len(values))
    low, high = np.maximum(place - reach, 0), np.minimum(place + reach + 1, len(values))
    return (total[high] - total[low]) / (high - low)
