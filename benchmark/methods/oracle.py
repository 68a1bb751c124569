"""The truth itself: every metric must call it perfect."""

from collections.abc import Callable

import numpy as np

from vdpm.clip import Prediction, Truth, Video

VERSION = "1"
VISIBLE = 1
"""`vdpm.raycast.Seen.VISIBLE`, without the ray caster."""
FAR_METRES = 1000.0
"""Stands where the truth is unknown (sky), since predictions have to be finite; those pixels are never scored."""


def load_reference() -> Callable[[Video, Truth], Prediction]:
    return lambda video, truth: Prediction(
        K=known(truth.K),
        world_from_camera=known(truth.world_from_camera),
        depth=np.nan_to_num(truth.depth, nan=FAR_METRES),
        points=np.nan_to_num(truth.points, nan=FAR_METRES),
        visible=None if truth.seen is None else truth.seen == VISIBLE,
    )


def known(cameras: np.ndarray) -> np.ndarray | None:
    """Cameras, or None where a data set knows none."""
    return cameras if np.isfinite(cameras).all() else None
