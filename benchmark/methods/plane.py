"""A plane one metre in front of a camera that never moves: the score of having looked at nothing."""

from collections.abc import Callable

import numpy as np

from vdpm.clip import Prediction, Video
from vdpm.geometry import unproject

VERSION = "1"


def load() -> Callable[[Video], Prediction]:
    def answer(video: Video) -> Prediction:
        frames, height, width, _ = video.rgb.shape
        focal = float(max(height, width))  # a field of view of 53 degrees along the longer side
        K = np.array([[focal, 0.0, width / 2], [0.0, focal, height / 2], [0.0, 0.0, 1.0]])
        plane = unproject(np.ones((height, width)), K).astype(np.float32)
        return Prediction(
            K=np.tile(K, (frames, 1, 1)),
            world_from_camera=np.tile(np.eye(4), (frames, 1, 1)),
            depth=np.ones((frames, height, width), np.float32),
            points=np.tile(plane, (len(video.sources), frames, 1, 1, 1)),
        )

    return answer
