"""Optical flow (OpenCV DIS) on true depth and true cameras, which are given to it: only the motion is its own."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from benchmark.classical import flow
from benchmark.methods import oracle
from vdpm.clip import Prediction, Truth, Video

VERSION = "1"


def load_reference() -> Callable[[Video, Truth], Prediction]:
    tell_truth, estimate = oracle.load_reference(), flow.dis()

    def answer(video: Video, truth: Truth) -> Prediction:
        told = tell_truth(video, truth)
        lifted = flow.moved(replace(told, depth=truth.depth), video, estimate).points  # nothing is seen at the sky
        assert lifted is not None
        return replace(told, points=np.nan_to_num(lifted, nan=oracle.FAR_METRES))

    return answer
