"""Optical flow (OpenCV DIS) chained over the frames, on the plane of `plane`: motion in the image and nothing else."""

from collections.abc import Callable

from benchmark.classical import flow
from benchmark.methods import plane
from vdpm.clip import Prediction, Video

VERSION = "1"


def load() -> Callable[[Video], Prediction]:
    guess, estimate = plane.load(), flow.dis()
    return lambda video: flow.moved(guess(video), video, estimate)
