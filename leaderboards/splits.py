"""Where errors come from: errors of pixels sorted into bins by motion, time, who hides what, and depth.

Per clip and bin the sum of errors and the number of pixels are kept, so that clips can be put together in any way. Point
errors are those of `vdpm_track10`, prediction and truth at joint unit mean norm; depth errors are AbsRel after the L1
scale of `video`.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from benchmark.align import l1_scale
from benchmark.metrics import moving, point_distances
from vdpm.clip import Prediction, Truth

EDGES = {
    "motion": (0.0, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, np.inf),
    "depth": (0.0, 2.0, 4.0, 8.0, 16.0, 32.0, np.inf),
    "near": (0.0, 2.0, 4.0, 8.0, 16.0, 32.0, np.inf),
}
"""Metres: of motion from the first frame, of depth of a point that is tracked, of depth that is predicted."""
TIMES = 10
SEEN = ("visible", "hidden by another body", "hidden by itself", "out of frame", "behind the camera")
"""In the order of `vdpm.raycast.Seen`, from 1."""


@dataclass(frozen=True, kw_only=True)
class Split:
    """A way to sort pixels."""

    title: str
    axis: str
    bins: tuple[str, ...]
    error: str


def _between(edges: tuple[float, ...], unit: str) -> tuple[str, ...]:
    names = [f"{low:g}–{high:g}" for low, high in zip(edges, edges[1:-1], strict=False)]
    return (*names, f"> {edges[-2]:g} {unit}")


_EPE = "end-point error"
SPLITS = {
    "motion": Split(title="Error against motion", axis="moved from the first frame [m]",
                    bins=_between(EDGES["motion"], "m"), error=_EPE),
    "time": Split(title="Error against distance in time", axis="frames from the first, moving pixels",
                  bins=tuple(str(2 * time) for time in range(TIMES)), error=_EPE),
    "seen": Split(title="Error against occlusion", axis="the point is, moving pixels", bins=SEEN, error=_EPE),
    "depth": Split(title="Error of points against depth", axis="depth of the point [m]",
                   bins=_between(EDGES["depth"], "m"), error=_EPE),
    "near": Split(title="Error of depth against depth", axis="true depth [m]", bins=_between(EDGES["near"], "m"),
                  error="AbsRel"),
}  # fmt: skip


def of_points(truth: Truth, prediction: Prediction) -> dict[str, list[list[float]]]:
    """The bins of a tracking task: "motion", "time", "depth", and "seen" where the truth knows what hides what."""
    distance = point_distances(truth, prediction) if prediction.points is not None else None
    if distance is None:
        return {}
    error, points = distance[0], truth.points[0].astype(np.float64)
    moves = np.broadcast_to(moving(truth.points)[0], error.shape)
    times = np.broadcast_to(np.arange(len(error))[:, None, None], error.shape)
    found = {
        "motion": binned(error, _edges("motion", np.linalg.norm(points - points[0], axis=-1)), 7),
        "time": binned(error, np.where(moves, times, -1), TIMES),
        "depth": binned(error, _edges("depth", np.broadcast_to(points[0, ..., 2], error.shape)), 6),
    }
    if truth.seen is not None:
        found["seen"] = binned(error, np.where(moves, truth.seen[0].astype(int) - 1, -1), len(SEEN))
    return found


def of_depth(truth: Truth, prediction: Prediction) -> dict[str, list[list[float]]]:
    """The bins of a video: "near"."""
    if prediction.depth is None:
        return {}
    error = depth_errors(truth, prediction.depth)
    return {"near": binned(error, _edges("near", truth.depth), 6)} if error is not None else {}


def depth_errors(truth: Truth, depth: Float[np.ndarray, "T H W"]) -> Float[np.ndarray, "T H W"] | None:
    """|s p - g| / g with the scale of the protocol `video`, NaN where the truth is; None when no scale exists."""
    valid: Bool[np.ndarray, "T H W"] = np.isfinite(truth.depth)
    scale = l1_scale(depth[valid].astype(np.float64), truth.depth[valid].astype(np.float64)) if valid.any() else np.nan
    return np.abs(scale * depth - truth.depth) / truth.depth if np.isfinite(scale) else None


def _edges(name: str, values: np.ndarray) -> np.ndarray:
    """The bin of each value; -1 where it is NaN."""
    place = np.digitize(values, EDGES[name][1:-1])
    return np.where(np.isfinite(values), place, -1)


def binned(error: np.ndarray, place: np.ndarray, bins: int) -> list[list[float]]:
    """[sum of errors, pixels] of each bin, of six digits; what has no error or no bin is left out."""
    known = np.isfinite(error) & (place >= 0) & (place < bins)
    counts = np.bincount(place[known], minlength=bins)
    sums = np.bincount(place[known], weights=error[known], minlength=bins)
    return [[float(f"{total:.6g}"), int(count)] for total, count in zip(sums, counts, strict=True)]
