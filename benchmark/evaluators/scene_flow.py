"""Scene flow: EPE3D, AccS, AccR, Outliers as HPLFlowNet's `evaluate_3d` (bb5284f8) defines them.

Truth comes first here, as everywhere in this package; the reference takes the prediction first, and swapping the two
changes the relative errors without an error message.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float


@dataclass(frozen=True, kw_only=True)
class FlowErrors:
    """Numbers over `count` points."""

    epe3d: float
    """Metres."""
    acc_strict: float
    acc_relaxed: float
    outliers: float
    count: int


def scene_flow(
    truth: Float[np.ndarray, "*N 3"],
    prediction: Float[np.ndarray, "*N 3"],
    counted: Bool[np.ndarray, "*N"] | None = None,
) -> FlowErrors | None:
    """Errors of flow vectors in metres over the points that are counted (all by default); None if none is.

    d = |p - g|, r = d / (|g| + 1e-4): EPE3D mean d; AccS d < 0.05 or r < 0.05; AccR d < 0.1 or r < 0.1; Outliers d > 0.3 or
    r > 0.1; all strict. The number of a data set is the mean over its batches, which are scenes.
    """
    if counted is not None:
        truth, prediction = truth[counted], prediction[counted]
    distance = np.linalg.norm(truth - prediction, axis=-1)
    if not distance.size:
        return None
    relative = distance / (np.linalg.norm(truth, axis=-1) + 1e-4)
    return FlowErrors(
        epe3d=float(distance.mean(dtype=np.float64)),
        acc_strict=float(np.mean((distance < 0.05) | (relative < 0.05))),
        acc_relaxed=float(np.mean((distance < 0.1) | (relative < 0.1))),
        outliers=float(np.mean((distance > 0.3) | (relative > 0.1))),
        count=distance.size,
    )
