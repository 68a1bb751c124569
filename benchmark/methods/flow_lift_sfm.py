"""Optical flow (OpenCV DIS) chained over the frames, on the cameras and depth of `sfm`."""

from collections.abc import Callable

from benchmark.classical import flow
from benchmark.methods import sfm
from vdpm.clip import Prediction, Video

VERSION = "1"


def load() -> Callable[[Video], Prediction]:
    solve, estimate = sfm.load(), flow.dis()

    def answer(video: Video) -> Prediction:
        geometry = solve(video)
        return geometry if geometry.depth is None else flow.moved(geometry, video, estimate)

    return answer
