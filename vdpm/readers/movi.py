"""Kubric's folders, as its MOVi workers and `generation.export --to movi` write them, one a video.

Depth is the distance to the camera centre, 1e10 for none: z here. Cameras are OpenGL's (y and z are turned), quaternions
w, x, y, z, K in units of the image with its corner at 0. Every pixel of the first frame is followed: things by their object
coordinates in their 3D boxes, which holds for rigid ones only, the background where it is. Who is hidden is told as TAP-Vid's
Kubric code tells it: farther by 1 % than all four pixels around, or none of these shows the same thing.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from vdpm import reading
from vdpm.geometry import invert, pixel_centres, project, rays, transform, unproject
from vdpm.recording import Dataset, Recording, Tracks

DATASET = Dataset(
    title="Kubric MOVi, folders of the worker (not the TFDS records)",
    licence="Apache 2.0; its assets have their own",
    source="https://github.com/google-research/kubric (challenges/movi), or python -m generation.export --to movi",
    tree="""\
<video>/metadata.json
<video>/rgba_00000.png   depth_00000.tiff   segmentation_00000.png   object_coordinates_00000.png ...""",
    variants={"all": "every folder with metadata.json"},
)
NONE_METRES = 1e9
NEARER = 0.99


def sequences(root: Path, variant: str) -> list[str]:
    """Folders with metadata.json."""
    return [name for name in reading.folders(root) if (root / name / "metadata.json").is_file()]


def read(root: Path, variant: str, sequence: str) -> Recording:
    """One video."""
    folder = root / sequence
    rgb = reading.video(reading.listing(folder, "rgba_*.png"))
    count = len(rgb)
    with reading.expecting(folder / "metadata.json", "metadata, camera and instances of Kubric"):
        facts = json.loads((folder / "metadata.json").read_text(encoding="utf-8"))
        K, world = camera(facts["camera"], *rgb.shape[:3])
    distance = np.stack([reading.tiff(folder / f"depth_{frame:05d}.tiff") for frame in range(count)])
    ids = np.stack([reading.png_planes(folder / f"segmentation_{frame:05d}.png")[..., 0] for frame in range(count)])
    lengths = np.linalg.norm(np.stack([rays(K[t], pixel_centres(*rgb.shape[1:3])) for t in range(count)]), axis=-1)
    depth = np.where(distance < NONE_METRES, distance / lengths, np.nan)
    coordinates = (reading.png_planes(folder / "object_coordinates_00000.png") + 0.5) / 65535  # they were cut off
    with reading.expecting(folder / "metadata.json", f"bboxes_3d of {count} frames for each instance"):
        still = transform(world[0], unproject(depth[0], K[0]))
        positions = follow(still, ids[0], coordinates, facts["instances"], count)
    return Recording(
        name=sequence,
        licence=DATASET.licence,
        rgb=rgb,
        K=K,
        world_from_camera=world,
        depth=reading.positive(depth),
        tracks=Tracks(
            positions=positions.reshape(count, -1, 3).astype(np.float32),
            visible=visible(positions.reshape(count, -1, 3), ids[0].ravel(), distance, ids, K, world),
        ),
    )


def camera(facts: dict[str, Any], frames: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """K (T, 3, 3) in pixels and world_from_camera (T, 4, 4), OpenCV. K_pixels is ours: Kubric has one K a video."""
    K = np.diag([width, height, 1.0]) @ np.abs(np.array(facts["K"], float))
    w, x, y, z = np.array(facts["quaternions"], float).T
    rows = np.concatenate([np.array(facts["positions"], float), np.stack([x, y, z, w], axis=1)], axis=1)
    world = reading.poses_xyzw(rows)
    world[:, :3, 1:3] *= -1.0
    if len(world) != frames:
        raise ValueError(f"{len(world)} camera poses for {frames} images")
    return np.array(facts.get("K_pixels", np.tile(K, (frames, 1, 1))), float), world


def follow(
    still: np.ndarray, ids: np.ndarray, coordinates: np.ndarray, instances: list[dict[str, Any]], frames: int
) -> np.ndarray:
    """World positions (T, H, W, 3) of what the pixels of the first frame see; NaN for things that deform."""
    positions = np.tile(np.where((ids == 0)[..., None], still, np.nan), (frames, 1, 1, 1))
    for number, instance in enumerate(instances, start=1):
        mine = ids == number
        boxes = np.array(instance["bboxes_3d"], float).reshape(frames, 8, 3)
        sides = boxes[:, [4, 2, 1]] - boxes[:, :1]  # corners come with x slowest and z fastest
        if not instance.get("deforms"):
            positions[:, mine] = boxes[:, :1] + np.einsum("nk,tka->tna", coordinates[mine], sides)
    return positions


def visible(
    positions: np.ndarray, ids: np.ndarray, distance: np.ndarray, all_ids: np.ndarray, K: np.ndarray, world: np.ndarray
) -> np.ndarray:
    """Which of the tracks (T, N, 3) their own frames show, (T, N)."""
    height, width = distance.shape[1:]
    answer = np.zeros(positions.shape[:2], bool)
    for time, seen in enumerate(answer):
        points = transform(invert(world[time]), positions[time])
        uv = project(points[None], K[time])[0]
        inside = np.flatnonzero(((uv >= 0) & (uv < (width, height))).all(axis=-1))
        corner = np.floor(uv[inside] - 0.5).astype(int)
        columns = np.clip(corner[:, :1] + [0, 1, 0, 1], 0, width - 1)
        rows = np.clip(corner[:, 1:] + [0, 0, 1, 1], 0, height - 1)
        near = distance[time, rows, columns].max(axis=1) >= NEARER * np.linalg.norm(points[inside], axis=-1)
        seen[inside] = near & (all_ids[time, rows, columns] == ids[inside, None]).any(axis=1)
    return answer
