"""ScanNet: rooms before a structured-light camera; nothing moves.

Depth is uint16 millimetres, 0 for none; poses are world_from_camera, 4 x 4 (16 numbers a row in `pose_90.txt`). Colour
(1296x968) is brought to the size of depth (640x480), whose K stands in intrinsic/intrinsic_depth.txt with the first pixel
centre at 0. Every third of the first 270 frames is evaluated; of scenes 0707 to 0806 six are left out, as the MonST3R family
does (some of their poses are not finite).
"""

from pathlib import Path

import numpy as np

from vdpm import reading
from vdpm.errors import UserError
from vdpm.recording import Dataset, Recording

DATASET = Dataset(
    title="ScanNet v2, test scenes",
    licence="ScanNet terms of use, non-commercial",
    source="http://www.scan-net.org, exported by its SensReader",
    tree="""\
exported: scene0707_00/color/0.jpg ...   depth/0.png ...   pose/0.txt ...   intrinsic/intrinsic_depth.txt
prepared: scene0707_00/color_90/frame_0000.jpg ...   depth_90/frame_0000.png ...   pose_90.txt
          intrinsic/intrinsic_depth.txt (without it K is unknown)""",
    variants={
        "prepared": "94 scenes as MonST3R's prepare_scannet leaves them",
        "exported": "94 scenes as SensReader exports them, frames [:270:3]",
    },
    sequences={"prepared": (94,), "exported": (94,)},
)
LEFT_OUT = {f"scene0{number}_00" for number in (711, 737, 750, 761, 791, 796)}
MILLIMETRE = 1e-3


def sequences(root: Path, variant: str) -> list[str]:
    """Scenes 0707 to 0806 that are there, without the six."""
    needed = "color_90" if variant == "prepared" else "color"
    there = [name for name in reading.folders(root, "scene0*_00") if (root / name / needed).is_dir()]
    return [name for name in there if "scene0707_00" <= name <= "scene0806_00" and name not in LEFT_OUT]


def read(root: Path, variant: str, sequence: str) -> Recording:
    """The 90 frames of one scene."""
    folder = root / sequence
    if variant == "prepared":
        images = reading.listing(folder / "color_90", "*.jpg")
        maps = [folder / "depth_90" / f"{path.stem}.png" for path in images]
        world = reading.table(folder / "pose_90.txt", 16).reshape(-1, 4, 4)
    else:
        images = reading.listing(folder / "color", "*.jpg", _number)[:270:3]
        maps = [folder / "depth" / f"{path.stem}.png" for path in images]
        world = np.stack([reading.matrix(folder / "pose" / f"{path.stem}.txt") for path in images])
    if not np.isfinite(world).all():
        raise UserError(f"{folder}: a pose is not finite; leave this scene out, as others do")
    depth = reading.positive(np.stack([reading.png16(path) for path in maps]) * MILLIMETRE)
    return Recording(
        name=sequence,
        licence=DATASET.licence,
        rgb=reading.video(images, (depth.shape[1], depth.shape[2])),
        K=_intrinsics(folder / "intrinsic" / "intrinsic_depth.txt", len(images)),
        world_from_camera=world,
        depth=depth,
        still=True,
    )


def _number(path: Path) -> int:
    with reading.expecting(path, "an image named by the number of its frame"):
        return int(path.stem)


def _intrinsics(path: Path, frames: int) -> np.ndarray | None:
    if not path.is_file():
        return None
    K = reading.matrix(path)
    return reading.intrinsics(K[0, 0], K[1, 1], K[0, 2], K[1, 2], frames, first_centre=0.0)
