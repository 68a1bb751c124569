"""Optical flow (OpenCV, Farneback 2003) chained over the frames, on the plane of `plane`."""

from collections.abc import Callable

from benchmark.classical import flow
from benchmark.methods import plane
from vdpm.clip import Prediction, Video

VERSION = "1"


def load() -> Callable[[Video], Prediction]:
    guess, estimate = plane.load(), flow.farneback()
    return lambda video: flow.moved(guess(video), video, estimate)
