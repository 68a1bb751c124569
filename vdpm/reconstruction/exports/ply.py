"""One point cloud a frame, with colours and confidence: ply/00000.ply ..."""

from pathlib import Path

import numpy as np

from vdpm.files import replacing
from vdpm.reconstruction.cloud import Points, frame_points
from vdpm.reconstruction.record import Reconstruction

POINTS = 1_000_000
"""Of a frame, at most."""


def write(reconstruction: Reconstruction, folder: Path) -> Path:
    for frame in range(len(reconstruction.rgb)):
        with replacing(folder / "ply" / f"{frame:05d}.ply") as file:
            file.write(ply(frame_points(reconstruction, frame, POINTS)))
    return folder / "ply"


def ply(points: Points) -> bytes:
    """Binary, little endian. Coordinates are those of the world, OpenCV axes."""
    columns = [(name, "<f4") for name in "xyz"] + [(name, "u1") for name in ("red", "green", "blue")]
    rows = np.empty(len(points.place), [*columns, ("confidence", "<f4")])
    for axis, name in enumerate("xyz"):
        rows[name] = points.place[:, axis]
    for channel, name in enumerate(("red", "green", "blue")):
        rows[name] = points.colour[:, channel]
    rows["confidence"] = points.confidence
    kinds = {"<f4": "float", "u1": "uchar"}
    properties = [f"property {kinds[kind]} {name}" for name, kind in [*columns, ("confidence", "<f4")]]
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(rows)}", *properties, "end_header", ""]
    return "\n".join(header).encode() + rows.tobytes()
