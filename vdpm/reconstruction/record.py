"""A reconstruction and its file, `reconstruction.npz`: a plain, uncompressed NumPy archive.

    rgb                uint8   T H W 3   frames, reduced to at most --side pixels
    seconds            float64 T         when they were taken
    K                  float64 T 3 3     intrinsics, pixels of rgb
    world_from_camera  float64 T 4 4     rigid; the world is the camera of the first frame
    depth              float32 T H W     z in the camera of the frame
    points             float32 T H W 3   P_t(t): where each pixel's point is at its own time, in the world
    confidence         float32 T H W     of the points, from 1 on, relative
    motion             float32 T H W     how far each point moves within its window of frames, units of the world
    tracks             float32 N S 3     where points are at S times, in the world: row n from frame track_frame[n] on
    track_frame        int32   N         the frame that each was taken from, the first of its window of S frames ...
    track_pixel        float32 N 2       ... and its pixel (u, v) there
    original           int64   2         height and width of the frames before they were reduced
    facts              str               JSON: source, weights, windows

Pixels and cameras as in `vdpm.clip`; the unit of length is the network's own, not metres. K scales with the image: that of
the original frames is diag(W0 / W, H0 / H, 1) K. `np.load` reads it; `load` maps it, so that its size costs no memory.
"""

import json
import struct
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64, UInt8

from vdpm.clip import Cameras
from vdpm.errors import UserError
from vdpm.files import replacing

NAME = "reconstruction.npz"


@dataclass(frozen=True, kw_only=True)
class Reconstruction:
    """See the top of this file. Arrays may be mapped from a file."""

    rgb: UInt8[np.ndarray, "T H W 3"]
    seconds: Float64[np.ndarray, " T"]
    K: Float64[np.ndarray, "T 3 3"]
    world_from_camera: Float64[np.ndarray, "T 4 4"]
    depth: Float32[np.ndarray, "T H W"]
    points: Float32[np.ndarray, "T H W 3"]
    confidence: Float32[np.ndarray, "T H W"]
    motion: Float32[np.ndarray, "T H W"]
    tracks: Float32[np.ndarray, "N S 3"]
    track_frame: Int32[np.ndarray, " N"]
    track_pixel: Float32[np.ndarray, "N 2"]
    original: Int64[np.ndarray, "2"]
    facts: dict[str, Any]

    @property
    def cameras(self) -> Cameras:
        return Cameras(K=self.K, world_from_camera=self.world_from_camera)

    @property
    def original_K(self) -> Float64[np.ndarray, "T 3 3"]:
        """Intrinsics in the pixels of the frames as they were."""
        height, width = self.rgb.shape[1:3]
        return np.diag([self.original[1] / width, self.original[0] / height, 1.0]) @ self.K

    @property
    def frame_rate(self) -> float:
        """Frames a second, from the median step."""
        return 1.0 / max(float(np.median(np.diff(self.seconds))), 1e-3) if len(self.seconds) > 1 else 1.0


ARRAYS = tuple(field.name for field in fields(Reconstruction) if field.name != "facts")


def save(path: Path, arrays: Mapping[str, np.ndarray], facts: dict[str, Any]) -> None:
    """Write the file, atomically and a frame at a time, from arrays that may be mapped."""
    with replacing(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name in ARRAYS:
            _write(archive, name, arrays[name].dtype, arrays[name].shape, iter(arrays[name]))
        text = np.array(json.dumps(facts, sort_keys=True))
        _write(archive, "facts", text.dtype, text.shape, [text])


def _write(
    archive: zipfile.ZipFile, name: str, kind: np.dtype, shape: tuple[int, ...], rows: Iterable[np.ndarray]
) -> None:
    with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
        header = {"descr": np.lib.format.dtype_to_descr(kind), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(member, header)  # type: ignore[arg-type]
        for row in rows:
            member.write(np.asarray(row).tobytes())


def load(path: Path) -> Reconstruction:
    """Map a file that `save` wrote; a folder stands for the file in it. Raises `UserError` when it is another or cut off."""
    path = path / NAME if path.is_dir() else path
    try:
        with zipfile.ZipFile(path) as archive:
            arrays = {name: _mapped(path, archive.getinfo(f"{name}.npy")) for name in (*ARRAYS, "facts")}
        return Reconstruction(facts=json.loads(str(arrays.pop("facts")[()])), **arrays)
    except (OSError, zipfile.BadZipFile, KeyError, ValueError, TypeError, struct.error) as error:
        raise UserError(
            f"no reconstruction in {path} ({error}): python -m vdpm.reconstruct VIDEO --out FOLDER"
        ) from error


def _mapped(path: Path, member: zipfile.ZipInfo) -> np.ndarray:
    """An array of an uncompressed archive where it lies in the file."""
    if member.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{member.filename} is compressed")
    with path.open("rb") as file:
        file.seek(member.header_offset + 26)
        name, extra = struct.unpack("<HH", file.read(4))
        file.seek(name + extra, 1)
        np.lib.format.read_magic(file)
        shape, _, kind = np.lib.format.read_array_header_1_0(file)
        if kind.hasobject:
            raise ValueError(f"{member.filename} holds objects")
        if 0 in shape or not shape:
            size = int(np.prod(shape)) * kind.itemsize
            return np.frombuffer(file.read(size), kind).reshape(shape)
        return np.memmap(path, kind, "r", file.tell(), shape)
