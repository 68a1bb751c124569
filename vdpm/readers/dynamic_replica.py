"""Dynamic Replica: people and animals in scanned rooms, stereo; the left camera is read.

Depth is z, a float16 whose bits are stored in a uint16 PNG, times scale_adjustment; 0 and what is not finite is unknown.
Cameras are PyTorch3D's: rows times R plus T, x left, y up, K in units of half the image, its corner at 0. Tracks are in the
world, one .pth a frame (torch, read without running code in it).
"""

import gzip
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from vdpm import reading
from vdpm.errors import UserError
from vdpm.geometry import invert, rigid
from vdpm.recording import Dataset, Recording, Tracks

DATASET = Dataset(
    title="Dynamic Replica",
    licence="non-commercial, accepted before the download (the code is CC BY-NC)",
    source="https://github.com/facebookresearch/dynamic_stereo",
    tree="""\
test/frame_annotations_test.jgz          and train/, valid/
test/<sequence>_left/images/...  depths/...  trajectories/...   as the annotations name them""",
    variants={split: f"the left cameras of {split}/" for split in ("test", "valid", "train")},
    sequences={"test": (20,), "valid": (20,), "train": (484,)},
)
FLIP = np.diag([-1.0, -1.0, 1.0])
MOST_BYTES = 1 << 32
"""Of annotations, unpacked: more is not Dynamic Replica."""


def sequences(root: Path, variant: str) -> list[str]:
    """Sequences with a left camera."""
    file = _annotations_file(root, variant)
    return sorted(_left(file)) if file.is_file() else []


def read(root: Path, variant: str, sequence: str) -> Recording:
    """One sequence, all frames."""
    file, base = _annotations_file(root, variant), root / variant
    with reading.expecting(file, "frames with image, depth, viewpoint and trajectories"):
        frames = sorted(_left(file)[sequence], key=lambda frame: frame["frame_number"])
        images = [reading.below(base, frame["image"]["path"]) for frame in frames]
        maps = [(reading.below(base, frame["depth"]["path"]), frame["depth"]) for frame in frames]
        cameras = [camera(frame["viewpoint"], *frame["image"]["size"]) for frame in frames]
        paths = [(frame.get("trajectories") or {}).get("path") for frame in frames]
    return Recording(
        name=sequence,
        licence=DATASET.licence,
        rgb=reading.video(images),
        K=np.stack([K for K, _ in cameras]),
        world_from_camera=invert(np.stack([camera_from_world for _, camera_from_world in cameras])),
        depth=np.stack([read_depth(path, entry.get("scale_adjustment", 1.0)) for path, entry in maps]),
        tracks=_tracks([reading.below(base, path) for path in paths if path]) if all(paths) else None,
    )


def camera(viewpoint: dict[str, Any], height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """K and camera_from_world, OpenCV, of a viewpoint in PyTorch3D's conventions."""
    half = np.array([width, height]) / 2
    kinds = {"ndc_norm_image_bounds": half, "ndc_isotropic": np.full(2, half.min())}
    scale = kinds[viewpoint["intrinsics_format"].lower()]
    K = np.diag([*(np.array(viewpoint["focal_length"], float) * scale), 1.0])
    K[:2, 2] = half - np.array(viewpoint["principal_point"], float) * scale
    rotation = FLIP @ np.array(viewpoint["R"], float).T
    return K, rigid(rotation, FLIP @ np.array(viewpoint["T"], float))


def read_depth(path: Path, scale: float) -> np.ndarray:
    """Metres from float16 bits."""
    bits = reading.png16(path).astype(np.uint16)
    return reading.positive(bits.view(np.float16).astype(np.float32) * scale)


def _tracks(paths: list[Path]) -> Tracks:
    from torch import load  # extra `vdpm`

    positions, visible = [], []
    for path in paths:
        with reading.expecting(path, "a dict with traj_3d_world (N,3) and verts_inds_vis (N)"):
            data = load(path, map_location="cpu", weights_only=True)
            positions.append(data["traj_3d_world"].numpy())
            visible.append(data["verts_inds_vis"].numpy().astype(bool))
    if len({len(frame) for frame in (*positions, *visible)}) != 1:
        raise UserError(f"{paths[0].parent}: the frames do not follow the same points")
    return Tracks(positions=np.stack(positions).astype(np.float32), visible=np.stack(visible))


def _annotations_file(root: Path, variant: str) -> Path:
    return root / variant / f"frame_annotations_{variant}.jgz"


@lru_cache(maxsize=1)
def _left(file: Path) -> dict[str, list[dict[str, Any]]]:
    """Frames of the left camera by sequence."""
    with reading.expecting(file, "a gzipped JSON list of frames"), gzip.open(file) as packed:
        text = packed.read(MOST_BYTES + 1)
        if len(text) > MOST_BYTES:
            raise ValueError("it unpacks to more than 4 GiB")
        by_sequence: dict[str, list[dict[str, Any]]] = {}
        for frame in json.loads(text):
            if frame.get("camera_name") == "left":
                by_sequence.setdefault(frame["sequence_name"], []).append(frame)
        return by_sequence
