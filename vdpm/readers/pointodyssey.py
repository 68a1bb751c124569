"""PointOdyssey 1.2: animated people, animals and things with long tracks.

Depth is z, uint16, metres = v / 65535 * 1000 (steps of 15 mm); the largest values are sky. `extrinsics` are
camera_from_world of OpenCV cameras, tracks are in the world, pixels have their corner at 0 as Blender's. A track counts
where `valids` says so. Version 1.0, whose axes differ and whose file is named annotations.npz, is refused.
"""

from pathlib import Path

import numpy as np

from vdpm import reading
from vdpm.errors import UserError
from vdpm.geometry import invert, rigid
from vdpm.recording import Dataset, Recording, Tracks

DATASET = Dataset(
    title="PointOdyssey 1.2",
    licence="CC BY-NC-SA 4.0",
    source="https://pointodyssey.com",
    tree="""\
test/<sequence>/          and train/, val/
  rgbs/rgb_00000.jpg ...
  depths/depth_00000.png ...
  anno.npz""",
    variants={split: f"the sequences of {split}/" for split in ("test", "val", "train")},
    sequences={"train": (131,), "val": (15,), "test": (13,)},
)
METRES = 1000.0 / 65535
SKY = 65500
FIELDS = ("trajs_3d", "visibs", "valids", "intrinsics", "extrinsics")


def sequences(root: Path, variant: str) -> list[str]:
    """Folders of a split."""
    return reading.folders(root / variant)


def read(root: Path, variant: str, sequence: str) -> Recording:
    """One sequence, all frames. Tracks are unknown where the data set has none, as in some sequences."""
    folder = root / variant / sequence
    if (folder / "annotations.npz").is_file() and not (folder / "anno.npz").is_file():
        raise UserError(f"{folder} is of PointOdyssey 1.0 (annotations.npz), whose axes differ; fetch version 1.2")
    data = reading.npz(folder / "anno.npz", FIELDS)
    images = reading.listing(folder / "rgbs", "rgb_*.jpg")
    depth = np.stack([_depth(folder / "depths" / f"depth_{path.stem[4:]}.png") for path in images])
    with reading.expecting(folder / "anno.npz", "intrinsics (T,3,3), extrinsics (T,4,4) and tracks of as many frames"):
        extrinsics = data["extrinsics"].astype(np.float64)
        camera_from_world = rigid(extrinsics[:, :3, :3], extrinsics[:, :3, 3])
        tracks = _tracks(data) if data["trajs_3d"].ndim == 3 and data["trajs_3d"].shape[1] else None
        return Recording(
            name=sequence,
            licence=DATASET.licence,
            rgb=reading.video(images),
            K=data["intrinsics"].astype(np.float64),
            world_from_camera=invert(camera_from_world),
            depth=depth,
            tracks=tracks,
        )


def _depth(path: Path) -> np.ndarray:
    values = reading.png16(path)
    return reading.positive(np.where(values < SKY, values * METRES, np.nan))


def _tracks(data: dict[str, np.ndarray]) -> Tracks:
    valid = data["valids"].astype(bool)
    positions = np.where(valid[..., None], data["trajs_3d"], np.nan).astype(np.float32)
    return Tracks(positions=positions, visible=data["visibs"].astype(bool) & valid)
