"""True geometry and cameras, but nothing moves: the score that any motion method must beat."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from benchmark.methods import oracle
from vdpm.clip import Prediction, Truth, Video

VERSION = "1"


def load_reference() -> Callable[[Video, Truth], Prediction]:
    tell_truth = oracle.load_reference()

    def answer(video: Video, truth: Truth) -> Prediction:
        told = tell_truth(video, truth)
        assert told.points is not None
        at_own_time = told.points[np.arange(len(video.sources)), list(video.sources)]
        return replace(told, points=np.repeat(at_own_time[:, None], len(video.rgb), axis=1))

    return answer
