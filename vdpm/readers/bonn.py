"""Bonn RGB-D Dynamic: people and balloons before a Kinect-like camera, with motion capture of the camera.

Depth is uint16 / 5000 metres, 0 for none, registered to the colour image. Colour and depth are paired by sorted index, as
all evaluators do. Poses, "time tx ty tz qx qy qz qw", are of the tracked markers, in ROS' axes and at the rate of the motion
capture. They are associated by time here (nearest, within 0.02 s), which the prepared `groundtruth_110.txt` of the MonST3R
family is not: that file is a slice of rows, so its poses belong to other frames, and it is never read. The lens follows by
the two transforms that the data set's page gives; the rotation of the second is not quite one as printed, so the nearest one
is used. K is the published calibration of the colour camera, whose first pixel centre is at 0; images are not undistorted.
"""

from pathlib import Path

import numpy as np

from vdpm import reading
from vdpm.errors import UserError
from vdpm.geometry import rigid
from vdpm.readers import _stamps
from vdpm.recording import Dataset, Recording

DATASET = Dataset(
    title="Bonn RGB-D Dynamic",
    licence="as stated on its page; check there before use",
    source="https://www.ipb.uni-bonn.de/data/rgbd-dynamic-dataset",
    tree="""\
rgbd_bonn_dataset/
  rgbd_bonn_balloon2/
    rgb/<time>.png ...
    depth/<time>.png ...
    groundtruth.txt""",
    variants={
        "evaluated": "balloon2, crowd2, crowd3, person_tracking2, synchronous; sorted frames 30 to 139 (MonST3R family)",
        "vda": "as evaluated with person_tracking for person_tracking2 (Video-Depth-Anything)",
        "all": "every sequence, every frame",
    },
    sequences={"evaluated": (5,), "vda": (5,)},
)
SCALE = 5000.0
K_FX_FY_CX_CY = (542.822841, 542.576870, 315.593520, 237.756098)
ROS_AXES = np.array([[-1.0, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
"""Its own inverse."""
MARKERS_FROM_LENS = np.array(
    [
        [1.0157, 0.1828, -0.2389, 0.0113],
        [0.0009, -0.8431, -0.6413, -0.0098],
        [-0.3009, 0.6147, -0.8085, 0.0111],
        [0, 0, 0, 1],
    ]
)
"""As printed."""
_PREFIX = "rgbd_bonn_"
_FIVE = ["balloon2", "crowd2", "crowd3", "person_tracking2", "synchronous"]
_ONLY = {"evaluated": _FIVE, "vda": ["balloon2", "crowd2", "crowd3", "person_tracking", "synchronous"]}


def sequences(root: Path, variant: str) -> list[str]:
    """Names without the prefix `rgbd_bonn_`."""
    there = [name.removeprefix(_PREFIX) for name in reading.folders(_base(root), f"{_PREFIX}*")]
    return [name for name in there if name in _ONLY.get(variant, there)]


def read(root: Path, variant: str, sequence: str) -> Recording:
    """One sequence; frames 30 to 139 unless the variant is `all`."""
    folder = _base(root) / f"{_PREFIX}{sequence}"
    chosen = slice(None) if variant == "all" else slice(30, 140)
    images = reading.listing(folder / "rgb", "*.png", _stamps.time_of)[chosen]
    maps = reading.listing(folder / "depth", "*.png", _stamps.time_of)[chosen]
    if not images:
        raise UserError(
            f"{folder / 'rgb'} has fewer than 31 images: expected a whole sequence, of which 30-139 are used"
        )
    count = min(len(images), len(maps))
    depth = np.stack([reading.png16(path) for path in maps[:count]])
    markers = _stamps.poses_at([_stamps.time_of(path) for path in images[:count]], folder / "groundtruth.txt")
    return Recording(
        name=sequence,
        licence=DATASET.licence,
        rgb=reading.video(images[:count], (depth.shape[1], depth.shape[2])),
        K=reading.intrinsics(*K_FX_FY_CX_CY, frames=count, first_centre=0.0),
        world_from_camera=ROS_AXES @ markers @ ROS_AXES @ markers_from_lens(),
        depth=reading.positive(depth / SCALE),
        facts={"paired": "by sorted index"},
    )


def markers_from_lens() -> np.ndarray:
    """The printed transform with the nearest rotation (Schoenemann 1966)."""
    left, _, right = np.linalg.svd(MARKERS_FROM_LENS[:3, :3])
    return rigid(left @ right, MARKERS_FROM_LENS[:3, 3])


def _base(root: Path) -> Path:
    return root / "rgbd_bonn_dataset" if (root / "rgbd_bonn_dataset").is_dir() else root
