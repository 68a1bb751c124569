"""True and predicted 3D tracks of moving points, drawn over the frames of a clip."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Float64
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from vdpm import derive
from vdpm.clip import Clip, Prediction, Truth
from vdpm.geometry import invert, project, transform

MOVING_METRES = 0.02
POINTS = 150
"""Tracks a picture."""


def tracks(clip: Clip, frames: Sequence[int], prediction: Prediction, columns: int) -> Figure:
    """Rows: true paths of moving points of the first frame; predicted displacements from the same true starts; predicted
    paths as they are, at the scale of the truth. Paths are seen by the true camera of each frame.
    """
    truth = derive.truth(clip, tuple(frames), (0,), with_depth=False)
    true, claimed = truth.points[0].astype(np.float64), rescaled(truth, prediction)
    chosen = spread(true)
    rows = {"true": true, "predicted motion": true[:1] + claimed - claimed[:1], "predicted": claimed}
    shown = np.linspace(len(frames) // 3, len(frames) - 1, columns).round().astype(int)
    figure = Figure(figsize=(2.2 * columns, 2.2 * len(rows)), layout="constrained")
    for place, (title, paths) in enumerate(rows.items()):
        for column, time in enumerate(shown):
            axes = figure.add_subplot(len(rows), columns, place * columns + column + 1)
            _strip(axes, clip.rgb[frames[time]], projected(truth, paths, int(time))[:, chosen], true[0][chosen])
            if not column:
                axes.set_ylabel(title, fontsize=9)
    return figure


def rescaled(truth: Truth, prediction: Prediction) -> Float64[np.ndarray, "T H W 3"]:
    """Predicted points of the first frame at the unit mean norm of the truth, jointly, as the benchmark scales them."""
    assert prediction.points is not None
    valid = np.isfinite(truth.points[0]).all(axis=-1)
    claimed = prediction.points[0].astype(np.float64)
    true_norm = np.linalg.norm(truth.points[0][valid], axis=-1).mean(dtype=float)
    return claimed * (true_norm / np.linalg.norm(claimed[valid], axis=-1).mean())


def spread(points: Float64[np.ndarray, "T H W 3"]) -> Bool[np.ndarray, "H W"]:
    """Some of the moving pixels, evenly over them."""
    moves = (np.linalg.norm(points - points[:1], axis=-1) > MOVING_METRES).any(axis=0)
    places = np.flatnonzero(moves)
    kept = (
        places[np.linspace(0, len(places) - 1, min(POINTS, len(places))).round().astype(int)] if len(places) else places
    )
    chosen = np.zeros(moves.size, bool)
    chosen[kept] = True
    return chosen.reshape(moves.shape)


def projected(truth: Truth, points: Float64[np.ndarray, "T H W 3"], time: int) -> Float64[np.ndarray, "P H W 2"]:
    """Pixels, in the frame of a time, of where the points were up to then; points are in the first camera."""
    camera_from_first = invert(truth.world_from_camera[time]) @ truth.world_from_camera[0]
    past = transform(camera_from_first, points[: time + 1])
    return project(past, np.tile(truth.K[time], (len(past), 1, 1)))


def _strip(axes: Axes, rgb: np.ndarray, paths: Float[np.ndarray, "T N 2"], start: Float[np.ndarray, "N 3"]) -> None:
    """Paths over a darkened frame, coloured by the depth of their starts, a dot at the end."""
    height, width = rgb.shape[:2]
    axes.imshow((rgb * 0.5).astype(np.uint8), extent=(0, width, height, 0))
    order = start[:, 2].argsort().argsort() / max(len(start) - 1, 1)
    lines = LineCollection(list(np.swapaxes(paths, 0, 1)), array=order, cmap="turbo", linewidths=0.9)
    axes.add_collection(lines)
    axes.scatter(*paths[-1].T, c=order, cmap="turbo", s=3)
    axes.set(xlim=(0, width), ylim=(height, 0), xticks=[], yticks=[])
