"""Training examples from other people's data sets (`vdpm.readers`): depth where it was measured, motion at tracked pixels.

A sequence is read whole once, cut to the square around its principal point and kept in the cache, from which windows read
their frames alone. P is known where depth or a track is, Q (`known`) at tracked pixels only.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Float64, UInt8

from vdpm import catalogue
from vdpm.errors import UserError
from vdpm.files import replacing
from vdpm.geometry import invert, pixel_centres, project, transform, unproject
from vdpm.recording import Recording
from vdpm.training import augment
from vdpm.training.example import Example
from vdpm.training.prepared import read_arrays, read_facts, write_arrays
from vdpm.training.windows import Window

KEPT_SIDE = 256
"""Pixels of the squares that are kept; smaller ones stay as they are."""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """S frames of a sequence. Conventions: `vdpm.clip`; NaN where nothing is known."""

    rgb: UInt8[np.ndarray, "S H W 3"]
    depth: Float32[np.ndarray, "S H W"]
    K: Float64[np.ndarray, "S 3 3"]
    world_from_camera: Float64[np.ndarray, "S 4 4"]
    positions: Float32[np.ndarray, "S N 3"]
    """Tracked points in the world."""
    visible: Bool[np.ndarray, "S N"]


@dataclass(frozen=True, kw_only=True)
class Sequences:
    """The sequences of a data set, as files of a cache."""

    name: str
    """Of the data set, as `vdpm.catalogue` has it."""
    root: Path
    folder: Path
    there: tuple[str, ...]

    def frames(self, place: int) -> int:
        """Length of a sequence."""
        with self.path(place).open("rb") as file:
            return read_facts(file)["rgb"][1][0]

    def kept(self, place: int, frames: tuple[int, ...]) -> Kept:
        """Some frames of a sequence."""
        with self.path(place).open("rb") as file:
            return Kept(**read_arrays(file, frames, Kept.__dataclass_fields__))

    def path(self, place: int) -> Path:
        """The file of a sequence, made when it is not there."""
        title = catalogue.recording_name(self.name, self.there[place]).replace("/", "-")
        path = self.folder / f"{title}-{_stamp(self.root.resolve())}.recorded"
        if not path.exists():
            whole = shrunk(catalogue.read(self.name, self.root, self.there[place]))
            with replacing(path) as file:
                write_arrays(file, {name: getattr(whole, name) for name in Kept.__dataclass_fields__})
        return path


def find(source: str, folder: Path | None) -> Sequences:
    """The sequences of a source such as "pointodyssey:train=path/to/it". Raises `UserError` without a cache."""
    name, _, root = source.partition("=")
    if folder is None:
        raise UserError(f"source {source}: sequences are read once and kept; set a cache (--cache FOLDER)")
    return Sequences(name=name, root=Path(root), folder=folder, there=tuple(catalogue.sequences(name, Path(root))))


@cache
def _stamp(root: Path) -> str:
    """Tells two folders of one data set apart."""
    return f"{root.stat().st_ino:x}"


def shrunk(recording: Recording) -> Kept:
    """A recording as it is kept. Raises `UserError` for one without cameras or tracks."""
    if recording.K is None or recording.world_from_camera is None or recording.tracks is None:
        raise UserError(f"{recording.name}: training needs cameras and tracks, which it has not")
    height, width = recording.rgb.shape[1:3]
    squares = [augment.crop(K, height, width, 1.0, KEPT_SIDE) for K in recording.K]
    size = min(KEPT_SIDE, int(squares[0].side))
    crops = [augment.crop(K, height, width, 1.0, size) for K in recording.K]
    depth = np.full(recording.rgb.shape[:3], np.nan, np.float32) if recording.depth is None else recording.depth
    return Kept(
        rgb=augment.resized(recording.rgb, crops),
        depth=np.stack([_nearest(image, crop) for image, crop in zip(depth, crops, strict=True)]),
        K=np.stack([crop.intrinsics(K) for crop, K in zip(crops, recording.K, strict=True)]),
        world_from_camera=recording.world_from_camera,
        positions=recording.tracks.positions.astype(np.float32),
        visible=recording.tracks.visible,
    )


def _nearest(image: Float32[np.ndarray, "h w"], crop: augment.Crop) -> Float32[np.ndarray, "H W"]:
    rows, columns = crop.nearest(*image.shape)
    return image[rows][:, columns]


def example(clip: Kept, window: Window, size: int, rng: np.random.Generator, name: str) -> Example:
    """A window, coloured and cropped at random, the same crop for all frames."""
    zoom, (_, height, width) = augment.draw_zoom(rng), clip.depth.shape
    crops = [augment.crop(K, height, width, zoom, size) for K in clip.K]
    K = np.stack([crop.intrinsics(own) for crop, own in zip(crops, clip.K, strict=True)])
    depth = np.stack([_nearest(image, crop) for image, crop in zip(clip.depth, crops, strict=True)])
    pose = invert(clip.world_from_camera[0]) @ clip.world_from_camera
    return Example(
        name=name,
        images=augment.colours(rng, augment.resized(clip.rgb, crops)),
        target=window.target,
        stamps=np.array(window.stamps, np.float32),
        K=K,
        reference_from_camera=pose,
        **truth(clip, K, depth, window.target),
    )


def truth(
    clip: Kept, K: Float64[np.ndarray, "S 3 3"], depth: Float32[np.ndarray, "S H W"], target: int
) -> dict[str, Any]:
    """The maps of an example of crops with the given cameras."""
    reference_from_world = invert(clip.world_from_camera[0])
    pose = reference_from_world @ clip.world_from_camera
    seen = depth > 0
    here = transform(pose[:, None, None], unproject(depth.astype(np.float64), K))
    there, pixels = np.zeros_like(here), np.zeros((*depth.shape, 2))
    known, visible = np.zeros(depth.shape, bool), np.zeros(depth.shape, bool)
    positions = transform(reference_from_world, clip.positions.astype(np.float64))
    landed = landing(positions[target], pose[target], K[target])
    inside = ((landed >= 0) & (landed < depth.shape[1:][::-1])).all(axis=-1)
    for frame in range(len(depth)):
        tracks, rows, columns = sighted(positions[frame], clip.visible[frame], pose[frame], K[frame], depth.shape[1:])
        here[frame, rows, columns], seen[frame, rows, columns] = positions[frame, tracks], True
        followed = np.isfinite(positions[target, tracks]).all(axis=-1)
        tracks, rows, columns = tracks[followed], rows[followed], columns[followed]
        there[frame, rows, columns], known[frame, rows, columns] = positions[target, tracks], True
        pixels[frame, rows, columns] = np.nan_to_num(landed[tracks])
        visible[frame, rows, columns] = clip.visible[target, tracks] & inside[tracks]
    here[~seen] = 0.0
    maps = {"here": here, "there": there, "pixels": pixels}
    return {name: values.astype(np.float32) for name, values in maps.items()} | {
        "valid": seen, "known": known, "visible": visible,
    }  # fmt: skip


def landing(
    points: Float64[np.ndarray, "N 3"], pose: Float64[np.ndarray, "4 4"], K: Float64[np.ndarray, "3 3"]
) -> Float64[np.ndarray, "N 2"]:
    """Pixels of points in an image, NaN for those that are unknown or not in front of it."""
    return project(transform(invert(pose), points)[None], K)[0]


def sighted(
    points: Float64[np.ndarray, "N 3"],
    visible: Bool[np.ndarray, " N"],
    pose: Float64[np.ndarray, "4 4"],
    K: Float64[np.ndarray, "3 3"],
    size: tuple[int, ...],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which tracks the pixels of an image see, with row and column of each; of several the nearest to the pixel's centre."""
    height, width = size
    uv = landing(points, pose, K)
    tracks = np.flatnonzero(visible & ((uv >= 0) & (uv < (width, height))).all(axis=-1))
    columns, rows = np.floor(uv[tracks]).astype(int).T
    off = np.linalg.norm(uv[tracks] - pixel_centres(height, width)[rows, columns], axis=-1)
    order = np.argsort(off, kind="stable")
    _, first = np.unique((rows * width + columns)[order], return_index=True)
    kept = order[first]
    return tracks[kept], rows[kept], columns[kept]
