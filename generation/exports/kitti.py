"""Drives as KITTI's raw data and depth benchmark lay them out.

    FOLDER/NAME/NAME_sync/image_02/data/0000000000.png
    FOLDER/NAME/calib_cam_to_cam.txt                       P_rect_02: 12 numbers, first pixel centre at 0
    FOLDER/val/NAME_sync/proj_depth/groundtruth/image_02/0000000000.png     uint16, metres = v / 256, 0 for none
    FOLDER/poses/NAME_sync.txt                             world_from_camera, 3 x 4, one row a frame (odometry benchmark)

Depth is on every pixel, where KITTI's is on few; from 256 m on it is none. NAME stands for the date too.
"""

from pathlib import Path

import numpy as np

from generation.exports import _files
from vdpm import derive
from vdpm.clip import Clip


def write(clip: Clip, folder: Path, rng: np.random.Generator) -> None:
    """Write one clip; nothing of it is random. Raises `UserError` for one that zooms."""
    P = np.concatenate([_files.one_K(clip, "kitti"), np.zeros((3, 1))], axis=1)
    P[:2, 2] -= 0.5
    drive = f"{clip.name}_sync"
    images = folder / clip.name / drive / "image_02" / "data"
    truth = folder / "val" / drive / "proj_depth" / "groundtruth" / "image_02"
    for frame, image in enumerate(clip.rgb):
        _files.png(_files.path(images, f"{frame:010d}.png"), image)
        _files.png(_files.path(truth, f"{frame:010d}.png"), coded_depth(derive.depth(clip, frame)))
    numbers = " ".join(f"{value:.12e}" for value in P.ravel())
    _files.path(folder, clip.name, "calib_cam_to_cam.txt").write_text(f"P_rect_02: {numbers}\n", encoding="utf-8")
    rows = clip.cameras.world_from_camera[:, :3].reshape(-1, 12)
    np.savetxt(_files.path(folder, "poses", f"{drive}.txt"), rows, fmt="%.12e")


def coded_depth(depth: np.ndarray) -> np.ndarray:
    """Metres as uint16 / 256; 0 where unknown or too far."""
    known = np.isfinite(depth) & (depth * 256 < 65535)
    return np.round(np.where(known, depth, 0.0) * 256).astype(np.uint16)
