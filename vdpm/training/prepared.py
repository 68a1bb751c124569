"""What training needs of a clip, and nothing else: the triangles that are seen, with their corners where they are.

Deriving a window from the stored members costs mostly unpacking meshes of which a tenth is ever seen. `prepare` keeps the
seen part; `Cache` keeps that on disk, uncompressed, so that the next epoch only reads the frames of its windows.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from jaxtyping import Float32, Float64, Int32, UInt16

from vdpm.errors import UserError
from vdpm.files import replacing
from vdpm.training.shards import Entry, load_arrays

NOTHING = -1


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """S frames of a clip. Conventions: `vdpm.clip`."""

    triangle: Int32[np.ndarray, "S H W"]
    """Index into `corners` of what each pixel centre sees, -1 for nothing."""
    corners: Float32[np.ndarray, "F 3 3"]
    """Corners of the seen triangles (triangle, corner, xyz) in the frames of their bodies."""
    body: Int32[np.ndarray, " F"]
    soft: Int32[np.ndarray, " G"]
    """The triangles whose corners move in their bodies."""
    shapes: Float32[np.ndarray, "S G 3 3"]
    """Where those are."""
    world_from_body: Float64[np.ndarray, "S B 4 4"]
    K: Float64[np.ndarray, "S 3 3"]
    world_from_camera: Float64[np.ndarray, "S 4 4"]


_ARRAYS = ("corners", "body", "soft", "shapes", "world_from_body", "K", "world_from_camera")


def prepare(entry: Entry, frames: Sequence[int]) -> Prepared:
    """Some frames of a clip, from its tar."""
    members = entry.read("camera.npz", "mesh.npz", "motion.npz", "triangle.npz")
    camera, mesh, motion = (load_arrays(members[f"{field}.npz"]) for field in ("camera", "mesh", "motion"))
    with np.load(io.BytesIO(members["triangle.npz"]), allow_pickle=False) as stored:
        triangle = np.stack([stored[f"{frame:04d}"] for frame in frames])
    index = list(frames)
    kept, seen = compact(triangle, len(mesh["faces"]))
    faces = mesh["faces"][kept]
    bends = np.zeros(len(mesh["vertices"]), bool)
    bends[mesh["deforming"]] = True
    soft = np.flatnonzero(bends[faces].any(axis=1))
    shapes = np.empty((len(index), len(soft), 3, 3), np.float32)
    vertices = mesh["vertices"].copy()
    for place, frame in enumerate(index if len(soft) else []):
        vertices[mesh["deforming"]] = motion["shapes"][frame]
        shapes[place] = vertices[faces[soft]]
    return Prepared(
        triangle=seen,
        corners=mesh["vertices"][faces],
        body=(np.searchsorted(mesh["face_start"], kept, side="right") - 1).astype(np.int32),
        soft=soft.astype(np.int32),
        shapes=shapes,
        world_from_body=motion["world_from_body"][index],
        K=camera["K"][index],
        world_from_camera=camera["world_from_camera"][index],
    )


def compact(triangle: Int32[np.ndarray, "*N"], count: int) -> tuple[Int32[np.ndarray, " F"], Int32[np.ndarray, "*N"]]:
    """The triangles that occur among so many, in order, and the same image with indices into these."""
    occurs = np.zeros(count + 1, bool)
    occurs[triangle] = True  # -1 is the last
    occurs[-1] = False
    number = np.cumsum(occurs, dtype=np.int32) - 1
    number[-1] = NOTHING
    return np.flatnonzero(occurs).astype(np.int32), number[triangle]


@dataclass(frozen=True, kw_only=True)
class Cache:
    """A folder of prepared clips, filled as they are asked for. It may be deleted at any time."""

    folder: Path

    def frames(self, entry: Entry, frames: Sequence[int]) -> Prepared:
        """Some frames of a clip, prepared before or now."""
        path = self.folder / f"{entry.name}-{entry.stamp}.bin"
        try:
            with path.open("rb") as file:
                return _read(file, frames)
        except FileNotFoundError:
            pass
        except (ValueError, OSError, EOFError) as error:
            raise UserError(f"cannot read {path} ({error}); delete the cache {self.folder}") from error
        whole = prepare(entry, range(entry.frames))
        with replacing(path) as file:
            for name in _ARRAYS:
                np.save(file, getattr(whole, name), allow_pickle=False)
            np.save(file, _narrow(whole), allow_pickle=False)
        return self.frames(entry, frames)


def _narrow(whole: Prepared) -> UInt16[np.ndarray, "S H W"] | Int32[np.ndarray, "S H W"]:
    """Triangles in half the bytes where they fit; nothing is 65535 there."""
    return whole.triangle.astype(np.uint16) if len(whole.corners) < 65535 else whole.triangle


def _read(file: BinaryIO, frames: Sequence[int]) -> Prepared:
    arrays = {name: np.load(file, allow_pickle=False) for name in _ARRAYS}
    triangle = np.stack(_frames(file, frames))
    wide = triangle.astype(np.int32)
    if triangle.dtype == np.uint16:
        wide[triangle == 65535] = NOTHING
    index = list(frames)
    for name in ("shapes", "world_from_body", "K", "world_from_camera"):
        arrays[name] = arrays[name][index]
    return Prepared(triangle=wide, **arrays)


def _frames(file: BinaryIO, frames: Sequence[int]) -> list[np.ndarray]:
    """Some entries of the array that is next in a file, without reading the others."""
    version = np.lib.format.read_magic(file)
    assert version == (1, 0)
    (_, height, width), _, dtype = np.lib.format.read_array_header_1_0(file)
    start, size = file.tell(), height * width * dtype.itemsize
    images = []
    for frame in frames:
        file.seek(start + frame * size)
        images.append(np.frombuffer(file.read(size), dtype).reshape(height, width))
    return images
