"""A COLMAP model in text with its images, for splatting and the like: colmap/sparse/0, colmap/images.

Points are those that stand still, each with one observation, in the frame it comes from. COLMAP counts pixels from the
corner of the first one, as we do.
"""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from vdpm.files import replacing
from vdpm.geometry import invert
from vdpm.reconstruction.cloud import Points, frame_points, still
from vdpm.reconstruction.record import Reconstruction
from vdpm.reconstruction.similarity import quaternion

POINTS = 100_000
"""Of the model, shared evenly by the frames."""


def write(reconstruction: Reconstruction, folder: Path) -> Path:
    most = max(1, POINTS // len(reconstruction.rgb))
    points = [
        frame_points(reconstruction, frame, most, where=still(reconstruction, frame))
        for frame in range(len(reconstruction.rgb))
    ]
    model = folder / "colmap" / "sparse" / "0"
    _text(model / "cameras.txt", _cameras(reconstruction))
    _text(model / "images.txt", _images(reconstruction, points))
    _text(model / "points3D.txt", _points(points))
    for frame, picture in enumerate(reconstruction.rgb):
        buffer = io.BytesIO()
        Image.fromarray(np.asarray(picture)).save(buffer, "JPEG", quality=95)
        with replacing(folder / "colmap" / "images" / _name(frame)) as file:
            file.write(buffer.getvalue())
    return folder / "colmap"


def _name(frame: int) -> str:
    return f"{frame:05d}.jpg"


def _text(path: Path, lines: list[str]) -> None:
    with replacing(path) as file:
        file.write(("\n".join(lines) + "\n").encode())


def _cameras(reconstruction: Reconstruction) -> list[str]:
    """A pinhole camera a frame: V-DPM lets the lens change."""
    height, width = reconstruction.rgb.shape[1:3]
    return ["# CAMERA_ID, MODEL, WIDTH, HEIGHT, fx, fy, cx, cy"] + [
        f"{number} PINHOLE {width} {height} {K[0, 0]:.9g} {K[1, 1]:.9g} {K[0, 2]:.9g} {K[1, 2]:.9g}"
        for number, K in enumerate(reconstruction.K, start=1)
    ]


def _images(reconstruction: Reconstruction, points: list[Points]) -> list[str]:
    """camera_from_world, and the observations: pixel and point."""
    lines, first = ["# IMAGE_ID, QW, QX, QY, QZ, TX, TY, TZ, CAMERA_ID, NAME; X, Y, POINT3D_ID ..."], 1
    for frame, pose in enumerate(invert(reconstruction.world_from_camera)):
        numbers = " ".join(f"{value:.9g}" for value in (*quaternion(pose[:3, :3]), *pose[:3, 3]))
        seen = points[frame].pixel + 0.5
        lines.append(f"{frame + 1} {numbers} {frame + 1} {_name(frame)}")
        lines.append(" ".join(f"{u} {v} {first + number}" for number, (u, v) in enumerate(seen)))
        first += len(seen)
    return lines


def _points(points: list[Points]) -> list[str]:
    """Error 0: none was measured."""
    lines, number = ["# POINT3D_ID, X, Y, Z, R, G, B, ERROR, IMAGE_ID, POINT2D_IDX"], 0
    for image, some in enumerate(points, start=1):
        for index, (place, colour) in enumerate(zip(some.place.tolist(), some.colour.tolist(), strict=True)):
            number += 1
            x, y, z = place
            lines.append(f"{number} {x:.9g} {y:.9g} {z:.9g} {' '.join(map(str, colour))} 0 {image} {index}")
    return lines
