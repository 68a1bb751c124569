"""KITTI depth: driving, with sparse depth from accumulated laser scans.

Depth is uint16 / 256 metres, 0 for none (most pixels). Frames are those that have depth, the first 110 of a drive, as the
MonST3R family prepares them. `prepared` folders carry no calibration, so cameras are unknown there. In `raw`, K is
P_rect_02 of calib_cam_to_cam.txt (first pixel centre at 0), and world_from_camera is read from poses/<drive>.txt where
that file exists: 12 numbers a row, 3 x 4, one row a frame of image_02, as in KITTI's odometry benchmark.
"""

from pathlib import Path

import numpy as np

from vdpm import reading
from vdpm.errors import UserError
from vdpm.geometry import rigid
from vdpm.recording import Dataset, Recording

DATASET = Dataset(
    title="KITTI depth prediction, validation drives",
    licence="CC BY-NC-SA 3.0",
    source="https://www.cvlibs.net/datasets/kitti (raw data and data_depth_annotated)",
    tree="""\
prepared: depth_selection/val_selection_cropped/
            image_gathered/<drive>_sync_02/0000000005.png ...
            groundtruth_depth_gathered/<drive>_sync_02/0000000005.png ...
raw:      <date>/<drive>_sync/image_02/data/0000000005.png ...
          <date>/calib_cam_to_cam.txt
          val/<drive>_sync/proj_depth/groundtruth/image_02/0000000005.png ...
          poses/<drive>_sync.txt (if there is one)""",
    variants={
        "prepared": "folders made by MonST3R's prepare_kitti, first 110 frames with depth",
        "raw": "folders as they are downloaded, first 110 frames with depth, with K",
    },
    sequences={"prepared": (13,), "raw": (13,)},
)
SCALE = 256.0
MOST_FRAMES = 110


def sequences(root: Path, variant: str) -> list[str]:
    """Names of drives."""
    if variant == "raw":
        return reading.folders(root / "val", "*_sync")
    return reading.folders(_prepared(root) / "groundtruth_depth_gathered")


def read(root: Path, variant: str, sequence: str) -> Recording:
    """The first 110 frames of a drive that have depth."""
    if variant == "raw":
        truth = root / "val" / sequence / "proj_depth" / "groundtruth" / "image_02"
        drive = _drive(root, sequence)
        images = drive / "image_02" / "data"
    else:
        truth = _prepared(root) / "groundtruth_depth_gathered" / sequence
        images, drive = _prepared(root) / "image_gathered" / sequence, None
    maps = reading.listing(truth, "*.png")[:MOST_FRAMES]
    rgb = reading.video([images / path.name for path in maps])
    depth = np.stack([reading.png16(path) for path in maps]) / SCALE
    return Recording(
        name=sequence,
        licence=DATASET.licence,
        rgb=rgb,
        K=_calibration(drive.parent / "calib_cam_to_cam.txt", len(rgb)) if drive else None,
        world_from_camera=_poses(root / "poses" / f"{sequence}.txt", images, maps) if drive else None,
        depth=reading.positive(depth),
    )


def _drive(root: Path, sequence: str) -> Path:
    found = sorted(root.glob(f"*/{sequence}/image_02"))
    if not found:
        raise UserError(
            f"{root}/<date>/{sequence}/image_02 is missing: expected the raw drive beside its depth in val/"
        )
    return found[0].parent


def _calibration(path: Path, frames: int) -> np.ndarray | None:
    """K of the left colour camera from the line P_rect_02 (12 numbers, 3 x 4)."""
    with reading.expecting(path, "a line P_rect_02: with 12 numbers"):
        lines = dict(line.split(":", 1) for line in path.read_text(encoding="utf-8").splitlines() if ":" in line)
        P = np.array(lines["P_rect_02"].split(), np.float64).reshape(3, 4)
        return reading.intrinsics(P[0, 0], P[1, 1], P[0, 2], P[1, 2], frames, first_centre=0.0)


def _poses(path: Path, images: Path, maps: list[Path]) -> np.ndarray | None:
    if not path.is_file():
        return None
    rows = reading.table(path, 12).reshape(-1, 3, 4)
    index = [[image.name for image in reading.listing(images, "*.png")].index(frame.name) for frame in maps]
    if max(index) >= len(rows):
        raise UserError(f"{path} has {len(rows)} rows for more images in {images}")
    return rigid(rows[index, :, :3], rows[index, :, 3])


def _prepared(root: Path) -> Path:
    inside = root / "depth_selection" / "val_selection_cropped"
    return inside if inside.is_dir() else root
