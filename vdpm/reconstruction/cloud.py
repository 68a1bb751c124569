"""Which points of a reconstruction the exports show: thinned, confident, not torn off at edges."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int, UInt8

from vdpm.reconstruction.record import Reconstruction
from vdpm.viewer.maps import off_edges

STILL = 0.02
"""A point that moves less than this share of its depth within its window belongs to what stands still."""
UNSURE = 0.1
"""Share of points by confidence that exports without a filter of their own leave out."""


@dataclass(frozen=True, kw_only=True)
class Points:
    """Of one frame, in the world."""

    place: Float32[np.ndarray, "N 3"]
    colour: UInt8[np.ndarray, "N 3"]
    confidence: Float32[np.ndarray, " N"]
    pixel: Int[np.ndarray, "N 2"]
    """(column, row)."""


def some_times(reconstruction: Reconstruction, most: int) -> Int[np.ndarray, " K"]:
    """Frame numbers spread evenly, all of them if they are few."""
    count = len(reconstruction.rgb)
    return np.unique(np.linspace(0, count - 1, min(most, count)).round().astype(int))


def good(reconstruction: Reconstruction, frame: int) -> Bool[np.ndarray, "H W"]:
    """Pixels whose points are finite, in front of the camera, and not at an edge of depth."""
    depth = np.asarray(reconstruction.depth[frame], np.float64)
    finite = np.isfinite(depth) & np.isfinite(reconstruction.points[frame]).all(axis=-1) & (depth > 0)
    return finite & off_edges(np.where(finite, depth, 0.0)[None])[0]


def still(reconstruction: Reconstruction, frame: int) -> Bool[np.ndarray, "H W"]:
    """Pixels of what stands still."""
    return reconstruction.motion[frame] <= STILL * np.abs(reconstruction.depth[frame])


def least_confidence(reconstruction: Reconstruction) -> float:
    """Below it are the least confident points, judged by some pixels of some frames."""
    return float(np.quantile(reconstruction.confidence[some_times(reconstruction, 16), ::4, ::4], UNSURE))


def frame_points(
    reconstruction: Reconstruction, frame: int, most: int, *, where: Bool[np.ndarray, "H W"] | None = None
) -> Points:
    """At most so many good and confident points of a frame, evenly over its pixels."""
    keep = good(reconstruction, frame) & (reconstruction.confidence[frame] >= least_confidence(reconstruction))
    rows, columns = np.nonzero(keep if where is None else keep & where)
    chosen = np.linspace(0, len(rows) - 1, min(most, len(rows))).round().astype(int)
    rows, columns = rows[chosen], columns[chosen]
    return Points(
        place=np.asarray(reconstruction.points[frame][rows, columns]),
        colour=np.asarray(reconstruction.rgb[frame][rows, columns]),
        confidence=np.asarray(reconstruction.confidence[frame][rows, columns]),
        pixel=np.stack([columns, rows], axis=-1),
    )


def tracks_at(reconstruction: Reconstruction, times: Int[np.ndarray, " K"]) -> Float32[np.ndarray, "M K 3"]:
    """Tracks that are known at some of these times; NaN at the others."""
    length = reconstruction.tracks.shape[1]
    offset = times[None] - reconstruction.track_frame[:, None]
    inside = (offset >= 0) & (offset < length)
    known = inside.any(axis=1)
    places = np.clip(offset[known], 0, length - 1)[..., None]
    lines = np.take_along_axis(np.asarray(reconstruction.tracks[known]), places, axis=1)
    return np.where(inside[known][..., None], lines, np.float32(np.nan))


def tails(reconstruction: Reconstruction, frame: int, length: int) -> Float32[np.ndarray, "M L 3"]:
    """Tracks that are known at a frame and at so many before it, as far as there are any."""
    lines = tracks_at(reconstruction, np.arange(max(0, frame - length), frame + 1))
    return lines[np.isfinite(lines).all(axis=(1, 2))]
