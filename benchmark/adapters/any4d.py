"""Any4D (arXiv 2512.10935): points, cameras, and the motion of the pixels of the first frame.

Install: github.com/Any-4D/Any4D and airlabshare/any4d-checkpoint. From the outputs of all views of a task,

    np.savez(out / "answer.npz", points=<pts3d_cam of each view>, pose=<camera_poses>, flow=<scene flow from view 0 to each>)

Conventions: points (T, h, w, 3) in the camera of their frame, metres; poses world_from_camera, OpenCV; flow (T, h, w, 3) is what
the pixels of the first frame move in the world until each time, 0 for the first. Frames are resized to cover the picture and cut
about the middle, as MapAnything's. Points are answered where the task asks for the first frame only. Written from the published code and tested on synthetic outputs; never run with the weights.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmark import adapting
from benchmark.adapters import mapanything
from vdpm.clip import Prediction, Video


def read(folder: Path, video: Video) -> Prediction:
    """Geometry as MapAnything's; points of the first frame carried by the flow."""
    found = adapting.arrays(folder / "answer.npz")
    geometry = mapanything.read(folder, video)
    if not adapting.only_first(video):
        return replace(geometry, points=None, note="Any4D follows the pixels of the first frame only")
    pose = adapting.poses(found["pose"])
    turn = pose[0, :3, :3]
    carried = found["points"][0] + found["flow"].astype(np.float64) @ turn  # into the first camera
    view = mapanything.covering(video, carried.shape[1:3])
    return replace(geometry, points=view.back(carried, trailing=1)[None].astype(np.float32))
