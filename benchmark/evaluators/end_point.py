"""End-point error of dynamic point maps, as V-DPM's Tables 1 and 2 define it, with the two things it leaves open as options.

V-DPM (arXiv 2601.09499, section 4.1) brings predicted and true point maps to unit mean norm and aligns nothing else, so
camera error counts. Not said there, hence named here: whether the mean runs `joint`ly over all maps of a question or
`per_map`, and whether a score is the mean over samples or over pixels (`table.summarise` for clips, `Score.count`).
"""

from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Float64

Norm = Literal["joint", "per_map"]


def mean_norms(
    points: Float[np.ndarray, "S T H W 3"], valid: Bool[np.ndarray, "S T H W"], norm: Norm
) -> Float64[np.ndarray, "S T"]:
    """Mean distance to the origin of the valid points that each map is divided by; NaN where a map has none."""
    length = np.where(valid, np.linalg.norm(points.astype(np.float64), axis=-1), 0.0)
    axes = (0, 1, 2, 3) if norm == "joint" else (2, 3)
    with np.errstate(invalid="ignore"):
        mean = length.sum(axis=axes, keepdims=True) / valid.sum(axis=axes, keepdims=True)
    return np.broadcast_to(mean[..., 0, 0], points.shape[:2])


def distances(
    truth: Float[np.ndarray, "S T H W 3"], prediction: Float[np.ndarray, "S T H W 3"], norm: Norm
) -> Float64[np.ndarray, "S T H W"]:
    """Distance of predicted to true points, both at unit mean norm; NaN where the truth is unknown.

    `valid` is decided by the truth alone. A map that has no valid point, or whose predicted points all lie at the origin,
    is NaN throughout.
    """
    valid = np.isfinite(truth).all(axis=-1)
    scale, target = (mean_norms(points, valid, norm)[..., None, None, None] for points in (prediction, truth))
    with np.errstate(invalid="ignore", divide="ignore"):
        difference = prediction / np.where(scale > 0, scale, np.nan) - truth / np.where(target > 0, target, np.nan)
    return np.where(valid, np.linalg.norm(difference, axis=-1), np.nan)
