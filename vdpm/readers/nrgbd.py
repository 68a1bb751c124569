"""Neural RGB-D: nine rendered rooms; nothing moves.

Depth is uint16 millimetres, 65535 and 0 for none, and unknown beyond 10 m. Poses are world_from_camera of OpenGL cameras,
four rows each in poses.txt: the y and z axes are turned here. The focal length is in focal.txt (554.256 without), the
principal point at half the width and height with the first pixel centre at 0, as evaluators unproject whole numbers.
"""

from pathlib import Path

import numpy as np

from vdpm import reading
from vdpm.errors import UserError
from vdpm.recording import Dataset, Recording

DATASET = Dataset(
    title="Neural RGB-D surface reconstruction (synthetic rooms)",
    licence="scenes by artists on BlendSwap, CC BY or CC0 each, as its README lists",
    source="https://github.com/dazinovic/neural-rgbd-surface-reconstruction",
    tree="""\
breakfast_room/images/img0.png ...   depth/depth0.png ...   poses.txt   focal.txt""",
    variants={
        "step500": "nine rooms, every min(500, half of the frames)th frame (CUT3R, 4RC)",
        "step100": "nine rooms, every 100th frame (Pi3 dense)",
        "step40": "nine rooms, every 40th frame (Spann3R)",
    },
    sequences=dict.fromkeys(("step500", "step100", "step40"), (9,)),
)
FOCAL = 554.2562584220408


def sequences(root: Path, variant: str) -> list[str]:
    """Rooms."""
    return [name for name in reading.folders(root) if (root / name / "poses.txt").is_file()]


def read(root: Path, variant: str, sequence: str) -> Recording:
    """The frames of one room that are evaluated."""
    folder = root / sequence
    images = reading.listing(folder / "images", "img*.png", _number)
    poses = reading.table(folder / "poses.txt", 4)
    if len(poses) != 4 * len(images):
        raise UserError(f"{folder / 'poses.txt'} has {len(poses)} rows for {len(images)} images, not four each")
    step = int(variant.removeprefix("step"))
    index = range(0, len(images), min(step, max(len(images) // 2, 1)) if variant == "step500" else step)
    world = poses.reshape(-1, 4, 4)[list(index)]
    world[:, :3, 1:3] *= -1.0
    chosen = [images[i] for i in index]
    millimetres = np.stack([reading.png16(folder / "depth" / f"depth{_number(path)}.png") for path in chosen])
    rgb = reading.video(chosen)
    height, width = rgb.shape[1:3]
    focal = _focal(folder / "focal.txt")
    return Recording(
        name=sequence,
        licence=DATASET.licence,
        rgb=rgb,
        K=reading.intrinsics(focal, focal, width / 2, height / 2, len(rgb), first_centre=0.0),
        world_from_camera=world,
        depth=reading.positive(np.where(millimetres < 65535, millimetres, 0) / 1000, most=10.0),
        still=True,
    )


def _focal(path: Path) -> float:
    if not path.is_file():
        return FOCAL
    with reading.expecting(path, "a focal length in pixels"):
        return float(path.read_text(encoding="utf-8"))


def _number(path: Path) -> int:
    with reading.expecting(path, "an image named img<number>.png"):
        return int(path.stem.removeprefix("img"))
