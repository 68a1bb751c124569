"""CUT3R (arXiv 2501.12387): depth and cameras frame by frame; it follows no points.

Install: github.com/CUT3R/CUT3R and cut3r_512_dpt_4_64.pth. Command, {input} being the folder of a task (without the viewer
that demo.py opens at the end):

    python demo.py --model_path cut3r_512_dpt_4_64.pth --size 512 --seq_path {input} --output_dir {output}

which writes depth/000000.npy ... (z) and camera/000000.npz ... (pose, world_from_camera; intrinsics). Pictures as in the
adapter `dust3r`: the longer side becomes 512, cut to multiples of 16, first pixel centre at 0. Written from the published code and tested on synthetic outputs; never run with the weights.
"""

from pathlib import Path

import numpy as np

from benchmark import adapting
from benchmark.adapters import dust3r
from vdpm.clip import Prediction, Video


def read(folder: Path, video: Video) -> Prediction:
    """Depth, lens and cameras; points from these."""
    depth = adapting.stacked(folder / "depth", "*.npy", video)
    cameras = [adapting.arrays(path) for path in sorted((folder / "camera").glob("*.npz"))]
    K, pose = (np.stack([camera[name] for camera in cameras]) for name in ("intrinsics", "pose"))
    return dust3r.static(video, depth, K, adapting.poses(pose))
