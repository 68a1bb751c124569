"""Alignment of predictions to the truth: the freedom each protocol grants, and no more. Pure functions, numpy only."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64

STATIC_METRES = 1e-6
"""A true camera whose centres spread less than this (rms) stands still."""
STATIC_RELATIVE = 1e-9
"""A predicted camera stands still when its centres spread less than this share of their size: rounding, not motion."""
LINE_RATIO = 1e-3
"""Centres whose second singular value is a smaller share of the first lie on a line."""


def l1_scale(prediction: Float[np.ndarray, " N"], truth: Float[np.ndarray, " N"]) -> float:
    """The scale s that minimises sum |s prediction - truth|, exactly; NaN when no prediction is positive.

    For positive predictions the sum is sum p |s - g/p|, so s is the median of g/p with weights p. Values that are not
    positive have no say: no scale can put them right.
    """
    positive = prediction > 0
    weight, target = prediction[positive].astype(np.float64), truth[positive].astype(np.float64)
    if not len(weight):
        return float("nan")
    order = np.argsort(target / weight, kind="stable")
    half = np.searchsorted(np.cumsum(weight[order]), weight.sum() / 2)
    best = order[min(half, len(order) - 1)]
    return float(target[best] / weight[best])


def lengths(points: Float[np.ndarray, "*N 3"]) -> Float64[np.ndarray, "*N"]:
    """np.linalg.norm over the last axis in double precision, bit for bit, and several times faster for three columns."""
    x, y, z = (points[..., axis].astype(np.float64) for axis in range(3))
    return _root(x, y, z)


def scaled_distances(
    points: Float[np.ndarray, "*N 3"], norm: float, others: Float[np.ndarray, "*N 3"], other_norm: float
) -> Float64[np.ndarray, "*N"]:
    """|points / norm - others / other_norm| in double precision; NaN where either is."""
    x, y, z = (
        points[..., axis].astype(np.float64) / norm - others[..., axis].astype(np.float64) / other_norm
        for axis in range(3)
    )
    return _root(x, y, z)


def _root(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """sqrt((x^2 + y^2) + z^2), in this order and in place."""
    for column in (x, y, z):
        column *= column
    x += y
    x += z
    return np.sqrt(x, out=x)


@dataclass(frozen=True, kw_only=True)
class Similarity:
    """target = scale * rotation @ source + translation."""

    scale: float
    rotation: Float64[np.ndarray, "3 3"]
    translation: Float64[np.ndarray, " 3"]

    def poses(self, target_from_camera: Float64[np.ndarray, "T 4 4"]) -> Float64[np.ndarray, "T 4 4"]:
        """Camera poses carried along: rigid poses stay rigid, only their centres are scaled."""
        moved = target_from_camera.copy()
        moved[:, :3, :3] = self.rotation @ target_from_camera[:, :3, :3]
        centres = target_from_camera[:, :3, 3]
        moved[:, :3, 3] = self.scale * centres @ self.rotation.T + self.translation
        return moved


def similarity(source: Float64[np.ndarray, "N 3"], target: Float64[np.ndarray, "N 3"]) -> Similarity:
    """The Sim(3) that brings source points closest to target points in the least squares sense (Umeyama 1991).

    Points on a line leave the rotation about it free, so the minimum has many minimisers. This one never refuses: it
    returns one of them, and neither the residual nor the scale depends on which. A source that stands still fixes
    neither rotation nor scale and gets the identity and 1.
    """
    source_mean, target_mean = source.mean(axis=0), target.mean(axis=0)
    x, y = source - source_mean, target - target_mean
    variance = float((x**2).sum() / len(x))
    if np.sqrt(variance) <= STATIC_RELATIVE * np.abs(source).max():
        return Similarity(scale=1.0, rotation=np.eye(3), translation=target_mean - source_mean)
    u, singular, vt = np.linalg.svd(y.T @ x / len(x))
    sign = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    rotation = (u * sign) @ vt
    scale = float((singular * sign).sum() / variance)
    return Similarity(scale=scale, rotation=rotation, translation=target_mean - scale * rotation @ source_mean)


def spread(points: Float64[np.ndarray, "N 3"]) -> Float64[np.ndarray, " 3"]:
    """Rms extent along the principal axes, largest first, in the unit of the points."""
    centred = points - points.mean(axis=0)
    covariance = centred.T @ centred / len(points)
    return np.sqrt(np.clip(np.linalg.eigvalsh(covariance)[::-1], 0.0, None))


def is_static(points: Float64[np.ndarray, "N 3"]) -> bool:
    """Whether true camera centres (metres) do not move."""
    return bool(spread(points)[0] < STATIC_METRES)


def is_line(points: Float64[np.ndarray, "N 3"]) -> bool:
    """Whether camera centres that move do so on a straight line, by the documented ratio and not by rounding."""
    extent = spread(points)
    return bool(extent[1] < LINE_RATIO * extent[0])
