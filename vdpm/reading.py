"""Files of other people: opened without trust, and refused by name when they are not what they should be."""

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float64, UInt8
from PIL import Image

from vdpm.errors import UserError
from vdpm.movies import read_movie

Image.MAX_IMAGE_PIXELS = 1 << 28
"""Pillow refuses twice this as a decompression bomb."""


@contextmanager
def expecting(path: Path, what: str) -> Iterator[None]:
    """Whatever goes wrong with a file inside becomes a `UserError` that names it and what was expected."""
    try:
        yield
    except UserError:
        raise
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing: expected {what}") from error
    except Exception as error:  # on foreign bytes the readers of PNG, npz, zip, JSON and text raise a dozen kinds
        reason = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise UserError(f"{path} is truncated or not what it should be, {what} ({reason}); fetch it again") from error


def listing(folder: Path, pattern: str, key: Callable[[Path], object] | None = None) -> list[Path]:
    """Files or folders that match, sorted. Raises `UserError` when there are none."""
    found = sorted(folder.glob(pattern), key=key or (lambda path: path.name))  # type: ignore[arg-type]
    if not found:
        raise UserError(f"{folder} is missing or holds no {pattern}")
    return found


def folders(folder: Path, pattern: str = "*") -> list[str]:
    """Names of the folders that match, sorted; none when there is no such place."""
    return sorted(path.name for path in folder.glob(pattern) if path.is_dir())


def png_planes(path: Path) -> Float64[np.ndarray, "H W C"]:
    """The numbers of a PNG of any depth: indices of a palette, and 16-bit colours, which Pillow cuts to 8."""
    from png import Reader  # extra `readers`

    with expecting(path, "a PNG"):
        width, height, rows, info = Reader(bytes=path.read_bytes()).read()
        return np.vstack([np.asarray(row, np.float64) for row in rows]).reshape(height, width, info["planes"])


def tiff(path: Path) -> Float64[np.ndarray, "H W"]:
    """The numbers of a TIFF with one float32 a pixel."""
    with expecting(path, "a TIFF of float32"), Image.open(path) as image:
        if image.mode != "F":
            raise ValueError(f"its mode is {image.mode}")
        return np.asarray(image).astype(np.float64)


def below(folder: Path, name: str) -> Path:
    """A path that a file of the data set names. Raises `UserError` when it leads out of the folder."""
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise UserError(f"{folder} names the file {name!r}, which lies outside of it; this is refused")
    return path


def rgb(path: Path) -> UInt8[np.ndarray, "H W 3"]:
    """An image file as 8-bit colours."""
    with expecting(path, "an image"), Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def decoded(data: bytes, path: Path) -> UInt8[np.ndarray, "H W 3"]:
    """An encoded image inside a file as 8-bit colours."""
    with expecting(path, "JPEG images inside"), Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


def video(paths: Sequence[Path], size: tuple[int, int] | None = None) -> UInt8[np.ndarray, "T H W 3"]:
    """Image files of one size as a video; shrunk or grown to (height, width) where one is given."""
    frames = []
    for path in paths:
        frame = rgb(path)
        if size and frame.shape[:2] != size:
            frame = np.asarray(Image.fromarray(frame).resize((size[1], size[0]), Image.Resampling.LANCZOS))
        if frames and frame.shape != frames[0].shape:
            raise UserError(f"{path} is {frame.shape[1]}x{frame.shape[0]}, the frames before it are not")
        frames.append(frame)
    return np.stack(frames)


def movie(path: Path, index: Sequence[int] | None = None) -> UInt8[np.ndarray, "T H W 3"]:
    """Some frames of a video file in the order of their numbers, or all."""
    if not path.is_file():
        raise UserError(f"{path} is missing: expected a video")
    last = None if index is None else max(index) + 1
    wanted = None if index is None else set(index)
    frames = [
        frame for number, (_, frame) in enumerate(islice(read_movie(path), last)) if wanted is None or number in wanted
    ]
    if not frames or (wanted is not None and len(frames) != len(wanted)):
        raise UserError(f"{path} has too few frames: {last or 1} are needed")
    return np.stack(frames)


def png16(path: Path) -> Float64[np.ndarray, "H W"]:
    """The numbers of a 16-bit grey PNG."""
    with expecting(path, "a 16-bit grey PNG"), Image.open(path) as image:
        if image.mode not in ("I;16", "I;16B", "I"):
            raise ValueError(f"its mode is {image.mode}, not 16-bit grey")
        return np.asarray(image).astype(np.float64)


def matrix(path: Path) -> Float64[np.ndarray, "4 4"]:
    """A 4 x 4 matrix of a text file; not a number where it says so."""
    with expecting(path, "a 4 x 4 matrix"):
        return np.loadtxt(path).reshape(4, 4)


def table(path: Path, columns: int) -> Float64[np.ndarray, "N {columns}"]:
    """Numbers of a text file, # comments left out."""
    with expecting(path, f"rows of {columns} numbers"):
        rows = np.loadtxt(path, comments="#", ndmin=2)
        if rows.shape[1] != columns:
            raise ValueError(f"rows have {rows.shape[1]} numbers")
        return rows


def npz(path: Path, fields: Sequence[str], optional: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """Arrays of an npz file. Pickled ones are refused: reading them could run code."""
    with expecting(path, f"an npz file with {', '.join(fields)}"):
        with np.load(path, allow_pickle=False) as file:
            there = set(file.files)
            if missing := [name for name in fields if name not in there]:
                raise ValueError(f"it has no {', '.join(missing)}, only {', '.join(sorted(there))}")
            return {name: _plain(file, name, path) for name in (*fields, *optional) if name in there}


def _plain(file: Mapping[str, np.ndarray], name: str, path: Path) -> np.ndarray:
    try:
        return file[name]
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise
        raise UserError(
            f"{path}: {name} is a pickled object array, which could run code when read, and is refused. If you trust the "
            f"file, save that array plainly once: a = dict(np.load(FILE, allow_pickle=True)); a['{name}'] = "
            f"np.array(list(a['{name}'])); np.savez(FILE, **a)"
        ) from error


def intrinsics(
    fx: float, fy: float, cx: float, cy: float, frames: int, *, first_centre: float
) -> Float64[np.ndarray, "T 3 3"]:
    """K for every frame from numbers that put the first pixel centre at `first_centre`: 0.0 or 0.5."""
    shift = 0.5 - first_centre
    return np.tile(np.array([[fx, 0.0, cx + shift], [0.0, fy, cy + shift], [0.0, 0.0, 1.0]]), (frames, 1, 1))


def positive(depth: Float[np.ndarray, "*S"], most: float = np.inf) -> Float[np.ndarray, "*S"]:
    """Depth with everything that is not a distance (0, negative, infinite, beyond `most`) unknown, float32."""
    with np.errstate(invalid="ignore"):
        good = np.isfinite(depth) & (depth > 0) & (depth <= most)
    return np.where(good, depth, np.nan).astype(np.float32)


def poses_xyzw(rows: Float64[np.ndarray, "N 7"]) -> Float64[np.ndarray, "N 4 4"]:
    """Poses from rows tx ty tz qx qy qz qw, the order of TUM and Bonn. Raises `ValueError` on a quaternion of no length."""
    x, y, z, w = (rows[:, 3:] / np.linalg.norm(rows[:, 3:], axis=1, keepdims=True)).T
    if not np.isfinite(w).all():
        raise ValueError("a quaternion has no length")
    poses = np.tile(np.eye(4), (len(rows), 1, 1))
    poses[:, 0, :3] = np.stack([1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)], axis=1)
    poses[:, 1, :3] = np.stack([2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)], axis=1)
    poses[:, 2, :3] = np.stack([2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)], axis=1)
    poses[:, :3, 3] = rows[:, :3]
    return poses
