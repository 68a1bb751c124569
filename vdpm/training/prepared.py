"""What training needs of a clip, and nothing else: images, and the triangles that are seen, with their corners.

Deriving a window from the stored members costs mostly unpacking meshes of which a tenth is ever seen, and images. `prepare`
keeps the seen part; `Cache` keeps that on disk, uncompressed, so that the next epoch only reads the frames of its windows.
"""

import io
import json
import os
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import BinaryIO

import numpy as np
from jaxtyping import Float32, Float64, Int32, UInt8, UInt16

from vdpm.errors import UserError
from vdpm.files import replacing
from vdpm.training.shards import Entry, load_arrays

NOTHING = -1


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """S frames of a clip. Conventions: `vdpm.clip`."""

    rgb: UInt8[np.ndarray, "S H W 3"]
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


_ARRAYS = ("corners", "body", "soft", "shapes", "world_from_body", "K", "world_from_camera", "rgb")
_PER_FRAME = ("shapes", "world_from_body", "K", "world_from_camera", "triangle", "rgb")


def prepare(entry: Entry, frames: Sequence[int]) -> Prepared:
    """Some frames of a clip, from its tar. Raises `UserError` for one of another version of the generator."""
    try:
        return _prepared(entry, frames)
    except KeyError as error:
        raise UserError(
            f"clip {entry.name} in {entry.path} lacks {error}: another version of the generator made it; render it again"
        ) from error


def _prepared(entry: Entry, frames: Sequence[int]) -> Prepared:
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
        rgb=entry.images(frames),
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
        path = self.folder / f"{entry.name}-{entry.stamp}.prepared"
        try:
            with path.open("rb") as file:
                return _read(file, frames)
        except FileNotFoundError:
            pass
        except (ValueError, OSError, EOFError) as error:
            raise UserError(f"cannot read {path} ({error}); delete the cache {self.folder}") from error
        whole = prepare(entry, range(entry.frames))
        own = path.with_suffix(f".{os.getpid()}")  # several workers may be at the same clip
        with replacing(own) as file:
            write_arrays(file, {name: getattr(whole, name) for name in _ARRAYS} | {"triangle": _narrow(whole)})
        own.replace(path)
        return self.frames(entry, frames)


def _narrow(whole: Prepared) -> UInt16[np.ndarray, "S H W"] | Int32[np.ndarray, "S H W"]:
    """Triangles in half the bytes where they fit; nothing is 65535 there."""
    return whole.triangle.astype(np.uint16) if len(whole.corners) < 65535 else whole.triangle


def write_arrays(file: BinaryIO, arrays: Mapping[str, np.ndarray]) -> None:
    """Arrays one after another, behind a line of JSON that says what they are: `numpy.load` takes longer than reading."""
    facts = {name: (array.dtype.str, array.shape) for name, array in arrays.items()}
    file.write(json.dumps(facts).encode() + b"\n")
    for array in arrays.values():
        file.write(np.ascontiguousarray(array).data)


def read_facts(file: io.BufferedReader) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Types and shapes of what `write_arrays` wrote. Raises `ValueError` if it did not."""
    return {name: (kind, tuple(shape)) for name, (kind, shape) in json.loads(file.readline()).items()}


def read_arrays(file: io.BufferedReader, frames: Sequence[int], per_frame: Container[str]) -> dict[str, np.ndarray]:
    """What `write_arrays` wrote; some frames of what there is for each frame."""
    answer = {}
    for name, (kind, shape) in read_facts(file).items():
        dtype = np.dtype(kind)
        if name in per_frame:
            answer[name] = _frames(file, frames, dtype, shape)
        else:
            answer[name] = np.frombuffer(file.read(prod(shape) * dtype.itemsize), dtype).reshape(shape)
    return answer


def _read(file: io.BufferedReader, frames: Sequence[int]) -> Prepared:
    arrays = read_arrays(file, frames, _PER_FRAME)
    if arrays.keys() != {*_ARRAYS, "triangle"}:
        raise ValueError("written by another version")
    triangle = arrays.pop("triangle")
    wide = triangle.astype(np.int32)
    if triangle.dtype == np.uint16:
        wide[triangle == 65535] = NOTHING
    return Prepared(triangle=wide, **arrays)


def _frames(file: io.BufferedReader, frames: Sequence[int], dtype: np.dtype, shape: Sequence[int]) -> np.ndarray:
    """Some entries of the array that is next in a file, without reading the others."""
    start, each = file.tell(), prod(shape[1:]) * dtype.itemsize
    answer = np.empty((len(frames), *shape[1:]), dtype)
    for place, frame in zip(answer, frames, strict=True):
        file.seek(start + frame * each)
        if file.readinto(place) != each:
            raise EOFError("it ends too early")
    file.seek(start + shape[0] * each)
    return answer
