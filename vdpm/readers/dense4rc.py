"""4RC's dense tracking sets: every pixel of one frame of Waymo and Kubric videos, followed through 64 frames.

Tracks lie in the world of the extrinsics (camera_from_world), in metres; a track that is not finite or at the very origin
is unknown. Pixels have their corner at 0. Which frame's pixels are followed is not stored, so tracks go by where they are.
"""

from pathlib import Path

import numpy as np

from vdpm import reading
from vdpm.geometry import invert
from vdpm.recording import Dataset, Recording, Tracks

DATASET = Dataset(
    title="Dense tracking of 4RC",
    licence="of the sources: Waymo Open Dataset (non-commercial), Kubric (Apache 2.0)",
    source="https://huggingface.co/datasets/Luo-Yihang/dense_track_eval",
    tree="""\
waymo/<video>.npz   kubric/<video>.npz
each with images_jpeg_bytes (T), tracks_XYZ (T,H,W,3), visibility (T,H,W), fx_fy_cx_cy (4), extrinsics_w2c (T,4,4)""",
    variants={"waymo": "Waymo", "kubric": "Kubric"},
)
FIELDS = ("images_jpeg_bytes", "tracks_XYZ", "visibility", "fx_fy_cx_cy", "extrinsics_w2c")
MOST_FRAMES = 64


def sequences(root: Path, variant: str) -> list[str]:
    """Names of the files of a set, without their suffix."""
    return sorted(path.stem for path in (root / variant).glob("*.npz"))


def read(root: Path, variant: str, sequence: str) -> Recording:
    """The first 64 frames of one file."""
    path = root / variant / f"{sequence}.npz"
    data = reading.npz(path, FIELDS)
    rgb = np.stack([reading.decoded(bytes(image), path) for image in data["images_jpeg_bytes"][:MOST_FRAMES]])
    with reading.expecting(path, "tracks_XYZ (T,H,W,3), visibility (T,H,W), extrinsics_w2c (T,4,4) and as many images"):
        positions, visible = data["tracks_XYZ"][:MOST_FRAMES], data["visibility"][:MOST_FRAMES].astype(bool)
        if positions.shape != (*visible.shape, 3) or positions.ndim != 4:
            raise ValueError(f"tracks {positions.shape}, visibility {visible.shape}")
        known = np.isfinite(positions).all(axis=-1) & (positions != 0).any(axis=-1)
        positions = np.where(known[..., None], positions, np.nan).astype(np.float32)
        return Recording(
            name=sequence,
            licence=DATASET.licence,
            rgb=rgb,
            K=reading.intrinsics(*data["fx_fy_cx_cy"].astype(float), frames=len(rgb), first_centre=0.5),
            world_from_camera=invert(data["extrinsics_w2c"][:MOST_FRAMES].astype(np.float64)),
            tracks=Tracks(
                positions=positions.reshape(len(positions), -1, 3),
                visible=(visible & known).reshape(len(visible), -1),
            ),
        )
