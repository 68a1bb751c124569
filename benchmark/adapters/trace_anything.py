"""Trace Anything (arXiv 2510.13802): a trajectory for every pixel of every frame; no cameras.

Install: the repository and weights that trace-anything.github.io names. The model answers control points of a spline for each
pixel; its own function evaluates them at the times of the frames. For each source of task.json ("sources"), in their order,

    np.savez(out / "answer.npz", trajectories=<(S, T, h, w, 3), where the pixels of source s are at time t>)

Conventions: one world for all frames, which is taken for the first camera (the model has no cameras to say otherwise); OpenCV. The
picture is the whole frame, its longer side 512, cut about the middle to multiples of 16. Written from the published code and tested on synthetic outputs; never run with the weights.
"""

from pathlib import Path

import numpy as np

from benchmark import adapting
from vdpm.clip import Prediction, Video
from vdpm.errors import UserError

SIDE = 512


def read(folder: Path, video: Video) -> Prediction:
    """Points of all sources."""
    if not video.sources:
        return Prediction(note="Trace Anything answers trajectories, neither cameras nor depth")
    paths = adapting.arrays(folder / "answer.npz")["trajectories"]
    if paths.shape[:2] != (len(video.sources), len(video.rgb)):
        raise UserError(f"{folder}: trajectories have shape {paths.shape}, the task has sources {video.sources}")
    view = adapting.View(video, paths.shape[2:4], adapting.resized_long(video, SIDE))
    points = view.back(paths, trailing=1).astype(np.float32)
    return Prediction(points=points, note="Trace Anything answers neither cameras nor depth")
