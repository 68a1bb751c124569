"""TUM RGB-D, freiburg3 with people: a Kinect in an office, its camera tracked by motion capture.

Depth is uint16 / 5000 metres, 0 for none, registered to the colour image. `rgb.txt`, `depth.txt` and `groundtruth.txt`
carry times; colour is associated with poses as the MonST3R family does (nearest first, less than 0.02 s), depth with
colour likewise, and a frame without depth is unknown everywhere. Poses are world_from_camera with quaternions x, y, z, w.
K is the published calibration of freiburg3, whose first pixel centre is at 0 and whose images are undistorted.
"""

from pathlib import Path

import numpy as np

from vdpm import reading
from vdpm.errors import UserError
from vdpm.readers import _stamps
from vdpm.recording import Dataset, Recording

DATASET = Dataset(
    title="TUM RGB-D, the eight dynamic sequences of freiburg3",
    licence="CC BY 4.0",
    source="https://cvg.cit.tum.de/data/datasets/rgbd-dataset/download (category Dynamic Objects)",
    tree="""\
rgbd_dataset_freiburg3_walking_xyz/
  rgb.txt   depth.txt   groundtruth.txt
  rgb/<time>.png ...   depth/<time>.png ...""",
    variants={
        "evaluated": "sitting and walking: static, xyz, halfsphere, rpy; every third associated frame, 90 of them",
        "all": "every sequence of freiburg3, every associated frame",
    },
    sequences={"evaluated": (8,)},
)
SCALE = 5000.0
K_FX_FY_CX_CY = (535.4, 539.2, 320.1, 247.6)
_PREFIX = "rgbd_dataset_freiburg3_"
_EIGHT = [f"{who}_{how}" for who in ("sitting", "walking") for how in ("static", "xyz", "halfsphere", "rpy")]


def sequences(root: Path, variant: str) -> list[str]:
    """Names without the prefix `rgbd_dataset_freiburg3_`."""
    there = [name.removeprefix(_PREFIX) for name in reading.folders(root, f"{_PREFIX}*")]
    return [name for name in there if variant == "all" or name in _EIGHT]


def read(root: Path, variant: str, sequence: str) -> Recording:
    """One sequence; `[::3][:90]` of the associated frames unless the variant is `all`."""
    folder = root / f"{_PREFIX}{sequence}"
    times, names = _stamps.file_list(folder / "rgb.txt")
    rows = reading.table(folder / "groundtruth.txt", 8)
    images, poses = _stamps.associate(times, rows[:, 0])
    chosen = slice(None) if variant == "all" else slice(0, 270, 3)
    images, poses = images[chosen], poses[chosen]
    if not len(images):
        raise UserError(f"{folder}: no image of rgb.txt is within {_stamps.MOST} s of a pose of groundtruth.txt")
    rgb = reading.video([reading.below(folder, names[i]) for i in images])
    with reading.expecting(folder / "groundtruth.txt", "rows time tx ty tz qx qy qz qw"):
        world = reading.poses_xyzw(rows[poses, 1:])
    return Recording(
        name=sequence,
        licence=DATASET.licence,
        rgb=rgb,
        K=reading.intrinsics(*K_FX_FY_CX_CY, frames=len(rgb), first_centre=0.0),
        world_from_camera=world,
        depth=_depth(folder, times[images], rgb.shape[:3]),
    )


def _depth(folder: Path, times: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Depth of the colour images of some times, NaN where no depth image was taken with one."""
    stamps, names = _stamps.file_list(folder / "depth.txt")
    depth = np.full(shape, np.nan, np.float32)
    for image, at in zip(*_stamps.associate(times, stamps), strict=True):
        depth[image] = reading.positive(reading.png16(reading.below(folder, names[at])) / SCALE)
    return depth
