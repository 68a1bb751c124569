"""Syn4D: rendered scenes with moving people and things, 32 of 192 frames with 512 tracked points.

Tracks are in the first camera (OpenCV, metres) in a structured npy without pickles; K has its corner at 0. Depth is z in
centimetres, channel Depth of an EXR. Cameras are Unreal's: yaw, pitch, roll in degrees and x, y, z in centimetres, world
left-handed with z up; its y axis is turned here, so that our world is right-handed. Points are known where they are seen.
"""

import csv
from pathlib import Path

import numpy as np

from vdpm import reading
from vdpm.geometry import transform
from vdpm.recording import Dataset, Recording, Tracks

DATASET = Dataset(
    title="Syn4D benchmark",
    licence="as stated at its source; check there before use",
    source="https://huggingface.co/datasets/Syn4D/Syn4D_Benchmark (its download_benchmark.py, tasks tracking,depth,pose)",
    tree="""\
benchmark/data/tracking_gt/<variant>/<scene>/<sequence>.npy
benchmark/challenge_eval/<variant>/<scene>/
  mp4/<sequence>.mp4
  ground_truth/meta_exr_csv/<sequence>_camera.csv
  exr_layers/depth/<sequence>/<sequence>_0000_depth.exr ... (without them depth is unknown)""",
    variants={"all": "4 render variants x 8 scenes x 8 sequences x 2 cameras"},
    sequences={"all": (512,)},
)
SCHEMA = "syn4d-tracking-gt-v1"
ARRAYS = ("tracks_ref0", "visibility", "query_uv", "frame_indices", "intrinsics", "image_size")
CV_FROM_UNREAL_AXES = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
"""Columns: what OpenCV's right, down and forward are called in Unreal's forward, right, up."""


def sequences(root: Path, variant: str) -> list[str]:
    """variant/scene/sequence of all tracking files."""
    base = _base(root) / "data" / "tracking_gt"
    return sorted(path.relative_to(base).with_suffix("").as_posix() for path in base.glob("*/*/*.npy"))


def read(root: Path, variant: str, sequence: str) -> Recording:
    """One sequence, its 32 frames."""
    data = read_npy(_base(root) / "data" / "tracking_gt" / f"{sequence}.npy")
    scene, _, stem = sequence.rpartition("/")
    folder = _base(root) / "challenge_eval" / scene
    index = data["frame_indices"].astype(int).tolist()
    world = read_cameras(folder / "ground_truth" / "meta_exr_csv" / f"{stem}_camera.csv", stem, index)
    maps = [folder / "exr_layers" / "depth" / stem / f"{stem}_{frame:04d}_depth.exr" for frame in index]
    visible = data["visibility"].astype(bool)
    positions = transform(world[0], data["tracks_ref0"].astype(np.float64))
    uv = data["query_uv"].astype(np.float64)
    return Recording(
        name=sequence,
        licence=DATASET.licence,
        rgb=reading.movie(folder / "mp4" / f"{stem}.mp4", index),
        K=reading.intrinsics(*data["intrinsics"].astype(float), frames=len(index), first_centre=0.5),
        world_from_camera=world,
        depth=np.stack([read_depth(path) for path in maps]) if maps[0].parent.is_dir() else None,
        tracks=Tracks(
            positions=np.where(visible[..., None], positions, np.nan).astype(np.float32),
            visible=visible,
            queries=np.concatenate([uv, np.zeros((len(uv), 1))], axis=1),
        ),
    )


def read_npy(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a structured scalar."""
    with reading.expecting(path, f"a structured npy scalar of schema {SCHEMA}"):
        scalar = np.load(path, allow_pickle=False)
        if scalar.shape != () or str(scalar["schema"]) != SCHEMA:
            raise ValueError(f"its schema is {scalar['schema']}")
        return {name: np.asarray(scalar[name]) for name in ARRAYS}


def read_cameras(path: Path, stem: str, index: list[int]) -> np.ndarray:
    """world_from_camera (T, 4, 4) of some frames, right-handed."""
    with reading.expecting(path, "rows with name, x, y, z, yaw, pitch, roll (fetch the task pose)"):
        with path.open(newline="", encoding="utf-8") as file:
            rows = {Path(row["name"]).name: row for row in csv.DictReader(file)}
        chosen = [rows[f"{stem}_{frame:04d}.png"] for frame in index]
        return np.stack(
            [pose(*(float(row[name]) for name in ("yaw", "pitch", "roll", "x", "y", "z"))) for row in chosen]
        )


def pose(yaw: float, pitch: float, roll: float, x: float, y: float, z: float) -> np.ndarray:
    """world_from_camera of an Unreal camera, degrees and centimetres, with the world's y axis turned."""
    (cy, cp, cr), (sy, sp, sr) = np.cos(np.radians([yaw, pitch, roll])), np.sin(np.radians([yaw, pitch, roll]))
    turn = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    nod = np.array([[cp, 0, -sp], [0, 1, 0], [sp, 0, cp]])
    lean = np.array([[1, 0, 0], [0, cr, sr], [0, -sr, cr]])
    world = np.eye(4)
    world[:3, :3] = turn @ nod @ lean @ CV_FROM_UNREAL_AXES
    world[:3, 3] = np.array([x, y, z]) / 100
    world[1] *= -1.0
    return world


def read_depth(path: Path) -> np.ndarray:
    """Metres from centimetres."""
    import OpenEXR  # extra `readers`

    with reading.expecting(path, "an EXR with a channel Depth"), OpenEXR.File(str(path)) as file:
        return reading.positive(np.asarray(file.channels()["Depth"].pixels, np.float32) / 100)


def _base(root: Path) -> Path:
    return root / "benchmark" if (root / "benchmark").is_dir() else root
