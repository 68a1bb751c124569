"""TAPVid-3D: real videos with tracked points in metres (Aria Digital Twin, DriveTrack, Panoptic Studio).

One npz a video. Tracks are stored in the camera frame of each time (OpenCV); pixels have their corner at 0, as the
evaluator scales K with the image. World = the camera of the first frame. Where extrinsics_w2c is missing, cameras are
unknown (ADT, whose generator drops them), but Panoptic Studio's cameras stand still, so there the world is the camera.
Entries at or behind the camera plane are unknown.
"""

from pathlib import Path

import numpy as np

from vdpm import reading
from vdpm.geometry import invert, transform
from vdpm.recording import Dataset, Recording, Tracks

DATASET = Dataset(
    title="TAPVid-3D",
    licence="annotations CC BY 4.0; videos under the terms of Aria Digital Twin, Waymo Open and Panoptic Studio",
    source="https://github.com/google-deepmind/tapnet/tree/main/tapvid3d (its scripts generate the npz files)",
    tree="""\
adt/<video>.npz ...   drivetrack/<video>.npz ...   pstudio/<video>.npz ...
each with images_jpeg_bytes (T), queries_xyt (N,3), tracks_XYZ (T,N,3), visibility (T,N), fx_fy_cx_cy (4),
and extrinsics_w2c (T,4,4) where the camera moves""",
    variants={source: f"the videos of {source}/" for source in ("adt", "drivetrack", "pstudio")}
    | {"here": "npz files of any source, directly below the root"},
    sequences={"adt": (50, 1906, 1956), "drivetrack": (50, 2407, 2457), "pstudio": (50, 106, 156)},
)
FIELDS = ("images_jpeg_bytes", "queries_xyt", "tracks_XYZ", "visibility", "fx_fy_cx_cy")
PER_FRAME = ("images_jpeg_bytes", "tracks_XYZ", "visibility", "extrinsics_w2c", "depth_map")


def sequences(root: Path, variant: str) -> list[str]:
    """Names of the files of a source, without their suffix."""
    return sorted(path.stem for path in _folder(root, variant).glob("*.npz"))


def read(root: Path, variant: str, sequence: str) -> Recording:
    """One video."""
    return read_npz(
        _folder(root, variant) / f"{sequence}.npz",
        name=sequence,
        licence=DATASET.licence,
        fields=FIELDS,
        still_camera=variant == "pstudio",
    )


def _folder(root: Path, variant: str) -> Path:
    return root if variant == "here" else root / variant


def read_npz(
    path: Path,
    *,
    name: str,
    licence: str,
    fields: tuple[str, ...],
    still_camera: bool,
    first_centre: float = 0.5,
    most_frames: int | None = None,
) -> Recording:
    """A file of TAPVid-3D or of WorldTrack, which shares its fields.

    Tracks are known in the world only when the cameras are; without, the cameras are taken to stand at the world's
    origin if they are known to stand still, and are unknown else.
    """
    data = reading.npz(path, fields, optional=("queries_xyt", "extrinsics_w2c", "depth_map"))
    data |= {field: data[field][:most_frames] for field in PER_FRAME if field in data}
    rgb = np.stack([reading.decoded(bytes(image), path) for image in data["images_jpeg_bytes"]])
    with reading.expecting(path, "tracks_XYZ (T,N,3), visibility (T,N), fx_fy_cx_cy (4) and as many images"):
        positions, visible = data["tracks_XYZ"].astype(np.float64), data["visibility"].astype(bool)
        if positions.shape != (len(rgb), visible.shape[1], 3) or visible.shape[0] != len(rgb):
            raise ValueError(f"{len(rgb)} images, tracks {positions.shape}, visibility {visible.shape}")
        camera = reading.intrinsics(*data["fx_fy_cx_cy"].astype(float), frames=len(rgb), first_centre=first_centre)
        world = _world(data.get("extrinsics_w2c"), len(rgb), still_camera)
        queries = data["queries_xyt"].astype(np.float64).reshape(-1, 3) if "queries_xyt" in data else None
    positions[~(positions[..., 2] > 0)] = np.nan
    depth = data.get("depth_map")
    return Recording(
        name=name,
        licence=licence,
        rgb=rgb,
        K=camera,
        world_from_camera=world,
        depth=None if depth is None else reading.positive(depth.reshape(rgb.shape[:3])),
        tracks=Tracks(positions=_in_world(positions, world).astype(np.float32), visible=visible, queries=queries),
        facts={"tracks": "in the camera of each time" if world is None else "in the camera of the first frame"},
    )


def _world(camera_from_world: np.ndarray | None, frames: int, still_camera: bool) -> np.ndarray | None:
    if camera_from_world is None:
        return np.tile(np.eye(4), (frames, 1, 1)) if still_camera else None
    matrices = camera_from_world.astype(np.float64)
    if matrices.shape != (frames, 4, 4):
        raise ValueError(f"extrinsics_w2c {matrices.shape}")
    return matrices[:1] @ invert(matrices)


def _in_world(positions: np.ndarray, world: np.ndarray | None) -> np.ndarray:
    return positions if world is None else transform(world[:, None], positions)
