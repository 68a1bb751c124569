"""St4RTrack (arXiv 2504.13152): the pixels of the first frame at all times, and every frame in its camera.

Install: github.com/HavenFeng/St4RTrack and yupengchengg147/St4RTrack. The model sees pairs (first frame, frame t); of each pair

    np.savez(out / "answer.npz", tracks=<pts3d of the first frame at time t>, points=<pts3d of frame t at time t>)

Conventions: both (T, h, w, 3) in the camera of the first frame, OpenCV. Pictures as in the adapter `dust3r`: the longer side
becomes 512, cut to multiples of 16. Cameras are not part of the answer (the authors solve for them), so that of depth only a
video of one frame has some. P1(t0) is not predicted: pairs have no points. Written from the published code and tested on synthetic outputs; never run with the weights.
"""

from pathlib import Path

import numpy as np

from benchmark import adapting
from vdpm.clip import Prediction, Video

SIDE = 512


def read(folder: Path, video: Video) -> Prediction:
    """Points of the first frame."""
    if not adapting.only_first(video):
        return Prediction(note="St4RTrack follows the pixels of the first frame only, and answers no cameras")
    tracks = adapting.arrays(folder / "answer.npz")["tracks"]
    view = adapting.View(video, tracks.shape[1:3], adapting.resized_long(video, SIDE))
    return Prediction(
        points=view.back(tracks, trailing=1)[None].astype(np.float32), note="St4RTrack answers no cameras"
    )
