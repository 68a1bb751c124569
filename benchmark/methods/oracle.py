"""The truth itself: every metric must call it perfect."""

from collections.abc import Callable

import numpy as np

from vdpm.clip import Prediction, Truth, Video

VERSION = "1"
FAR_METRES = 1000.0
"""Stands where the truth is unknown (sky), since predictions have to be finite; those pixels are never scored."""


def load_reference() -> Callable[[Video, Truth], Prediction]:
    return lambda video, truth: Prediction(
        K=truth.K,
        world_from_camera=truth.world_from_camera,
        depth=np.nan_to_num(truth.depth, nan=FAR_METRES),
        points=np.nan_to_num(truth.points, nan=FAR_METRES),
    )
