"""MonST3R (arXiv 2410.03825): depth and cameras of a moving scene; it follows no points.

Install: github.com/Junyi42/monst3r and its weights. Command, {input} being the folder of a task:

    python demo.py --input {input} --output_dir {output} --seq_name answer --real_time no

which writes pred_traj.txt (time x y z qw qx qy qz, world_from_camera), pred_intrinsics.txt (nine numbers a row) and
frame_0000.npy ... (z) to {output}/answer. Pictures as in the adapter `dust3r`: the longer side becomes 512, cut to multiples of
16, first pixel centre at 0. Points stay where they are at their own time: what moves is not followed. Written from the published code and tested on synthetic outputs; never run with the weights.
"""

from pathlib import Path

import numpy as np

from benchmark import adapting
from benchmark.adapters import dust3r
from vdpm.clip import Prediction, Video


def read(folder: Path, video: Video) -> Prediction:
    """Depth, lens and cameras; points from these."""
    place = folder / "answer" if (folder / "answer").is_dir() else folder
    rows = np.loadtxt(place / "pred_traj.txt", ndmin=2)
    K = np.loadtxt(place / "pred_intrinsics.txt", ndmin=2).reshape(-1, 3, 3)
    depth = adapting.stacked(place, "frame_[0-9]*.npy", video)
    return dust3r.static(video, depth, K, adapting.quaternion_poses(rows[:, 1:8]))
