"""Structure from motion (pycolmap) of a static world, depth triangulated along optical flow: nothing moves."""

from collections.abc import Callable

from benchmark.classical import structure
from vdpm.clip import Prediction, Video

VERSION = "1"


def load() -> Callable[[Video], Prediction]:
    import cv2  # noqa: F401  what is missing is said at the start
    import pycolmap  # noqa: F401

    def answer(video: Video) -> Prediction:
        try:
            found = structure.solve(video.rgb)
        except structure.Unsolved as reason:
            return Prediction(note=f"not solved: {reason}")
        return Prediction(
            K=found.K,
            world_from_camera=found.world_from_camera,
            depth=found.depth,
            points=structure.still_points(found, video.sources),
        )

    return answer
