"""DUSt3R (arXiv 2312.14132): pairs and global alignment; static, so that a source stays where it is.

Install: github.com/naver/dust3r and DUSt3R_ViTLarge_BaseDecoder_512_dpt. After `global_aligner(...)` and
`scene.compute_global_alignment(...)` on the images of a task, loaded with `load_images(folder, size=512, square_ok=True)`,

    np.savez(out / "answer.npz", depth=np.stack([to_numpy(d) for d in scene.get_depthmaps()]),
             focal=to_numpy(scene.get_focals())[:, 0], centre=to_numpy(scene.get_principal_points()),
             pose=to_numpy(scene.get_im_poses()))

Conventions: poses are world_from_camera, OpenCV; the first pixel centre is at 0; the longer side of a frame becomes 512,
then it is cut about the middle to multiples of 16. Written from the published code and tested on synthetic outputs; never run with the weights.
"""

from pathlib import Path

import numpy as np

from benchmark import adapting
from vdpm.clip import Prediction, Video

SIDE = 512


def read(folder: Path, video: Video) -> Prediction:
    """Depth, lens and cameras; points from these."""
    found = adapting.arrays(folder / "answer.npz")
    focal = np.repeat(found["focal"].reshape(-1, 1), 2, axis=1)
    return static(video, found["depth"], adapting.lens(focal, found["centre"]), adapting.poses(found["pose"]))


def static(video: Video, depth: np.ndarray, K: np.ndarray, pose: np.ndarray) -> Prediction:
    """The answer of DUSt3R's family: maps (T, h, w) of its picture, its K, world_from_camera."""
    view = adapting.View(video, depth.shape[1:], adapting.resized_long(video, SIDE))
    return adapting.from_depth(video, view.back(depth), view.intrinsics(K, centre_at_zero=True), pose)
