"""MPI Sintel: 23 animated scenes with depth and cameras.

Depth is z in metres, everywhere. A .cam holds K with the first pixel centre at 0 (the evaluators unproject whole numbers)
and camera_from_world, 3 x 4. Cameras are OpenCV's. All numbers are little-endian behind the tag 202021.25.
"""

from pathlib import Path

import numpy as np

from vdpm import reading
from vdpm.geometry import invert, rigid
from vdpm.recording import Dataset, Recording

DATASET = Dataset(
    title="MPI Sintel, training half, with the depth and camera archive",
    licence="free for research; Sintel itself is (c) Blender Foundation, CC BY 3.0",
    source="http://sintel.is.tue.mpg.de (images) and .../depth (MPI-Sintel-depth-training-20150305.zip)",
    tree="""\
training/
  final/<scene>/frame_0001.png ...   and clean/<scene>/...
  depth/<scene>/frame_0001.dpt ...
  camdata_left/<scene>/frame_0001.cam ...""",
    variants={
        "final": "final pass, all 23 scenes with depth (MonST3R, CUT3R and 4RC for depth)",
        "clean": "clean pass, all 23 scenes (Align3R)",
        "final14": "final pass, the 14 scenes of MonST3R's poses (and of Pi3's depth)",
        "final18": "final pass, the 18 scenes of MegaSaM",
    },
    sequences={"final": (23,), "clean": (23,), "final14": (14,), "final18": (18,)},
)
TAG = 202021.25
_14 = (
    "alley_2 ambush_4 ambush_5 ambush_6 cave_2 cave_4 market_2 market_5 market_6 shaman_3 sleeping_1 sleeping_2 "
    "temple_2 temple_3"
).split()
_18 = [*_14, "alley_1", "mountain_1", "bamboo_1", "bamboo_2"]
_ONLY = {"final14": _14, "final18": _18}


def sequences(root: Path, variant: str) -> list[str]:
    """Scenes that have images of the pass and depth."""
    training = _training(root)
    there = set(reading.folders(training / _pass(variant))) & set(reading.folders(training / "depth"))
    return sorted(there & set(_ONLY[variant]) if variant in _ONLY else there)


def read(root: Path, variant: str, sequence: str) -> Recording:
    """One scene: images, cameras and depth of all frames."""
    training = _training(root)
    images = reading.listing(training / _pass(variant) / sequence, "frame_*.png")
    cameras = [read_cam(training / "camdata_left" / sequence / f"{path.stem}.cam") for path in images]
    depth = [read_dpt(training / "depth" / sequence / f"{path.stem}.dpt") for path in images]
    K = np.stack([K for K, _ in cameras])
    K[:, :2, 2] += 0.5
    world = invert(np.stack([camera_from_world for _, camera_from_world in cameras]))
    return Recording(
        name=sequence,
        licence=DATASET.licence,
        rgb=reading.video(images),
        K=K,
        world_from_camera=world,
        depth=reading.positive(np.stack(depth)),
    )


def read_dpt(path: Path) -> np.ndarray:
    """(H, W) float32 of a .dpt: tag, width and height as int32, then the rows."""
    with reading.expecting(path, "a Sintel .dpt: a tag, width, height and width x height float32"):
        data = path.read_bytes()
        width, height = (int(side) for side in np.frombuffer(data, "<i4", 2, offset=4))
        _check(data, 12 + 4 * width * height)
        return np.frombuffer(data, "<f4", offset=12).reshape(height, width)


def read_cam(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """K as stored and camera_from_world (4, 4) of a .cam: tag, 9 and 12 float64."""
    with reading.expecting(path, "a Sintel .cam: a tag and 21 float64"):
        data = path.read_bytes()
        _check(data, 172)
        numbers = np.frombuffer(data, "<f8", offset=4)
        extrinsic = numbers[9:].reshape(3, 4)
        return numbers[:9].reshape(3, 3).copy(), rigid(extrinsic[:, :3], extrinsic[:, 3])


def _check(data: bytes, length: int) -> None:
    if np.frombuffer(data, "<f4", 1)[0] != TAG:
        raise ValueError(f"it does not begin with {TAG}")
    if len(data) != length:
        raise ValueError(f"it has {len(data)} bytes of {length}")


def _pass(variant: str) -> str:
    return "clean" if variant == "clean" else "final"


def _training(root: Path) -> Path:
    return root / "training" if (root / "training").is_dir() else root
