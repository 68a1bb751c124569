"""One reconstruction from the answers to windows.

A frame that several windows hold takes a weighted mean of them, all in one world: their weights rise from the ends of a
window to its middle, so that nothing jumps where a window ends. Rotations are averaged as such. The world is then turned
into the camera of the first frame.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from vdpm.geometry import invert, transform
from vdpm.reconstruction.footage import Footage
from vdpm.reconstruction.record import save
from vdpm.reconstruction.similarity import Similarity, mean_rotation
from vdpm.reconstruction.window import Answer

Arrays = dict[str, np.ndarray]
HELD = 3
"""Answers in memory at a time: more windows than these seldom hold the same frame."""


def assemble(
    path: Path,
    footage: Footage,
    windows: Sequence[tuple[int, ...]],
    similarities: Sequence[Similarity],
    read: Callable[[int], Answer],
    facts: dict[str, Any],
) -> None:
    """Write the file, holding a few windows in memory. `read(k)` gives the answer to window k."""
    held = lru_cache(maxsize=HELD)(read)
    maps = {name: _scratch(path.parent, name, footage, *tail) for name, *tail in MAPS}
    cameras: Arrays = {"K": np.empty((len(footage.rgb), 3, 3)), "world_from_camera": np.empty((len(footage.rgb), 4, 4))}
    anchored = anchor(windows, similarities, held)
    for frame in range(len(footage.rgb)):
        for name, value in _frame(frame, windows, anchored, held).items():
            {**maps, **cameras}[name][frame] = value
    arrays = {
        "rgb": footage.rgb,
        "seconds": footage.seconds,
        **maps,
        **cameras,
        **_tracks(windows, anchored, held),
        "original": np.array(footage.original, np.int64),
    }
    save(path, arrays, facts)
    for name in maps:
        _scratch_file(path.parent, name).unlink()


MAPS = (("depth",), ("points", 3), ("confidence",), ("motion",))


def _scratch_file(folder: Path, name: str) -> Path:
    return folder / f".{name}.part"


def _scratch(folder: Path, name: str, footage: Footage, *tail: int) -> np.ndarray:
    shape = (*footage.rgb.shape[:3], *tail)
    return np.memmap(_scratch_file(folder, name), np.float32, "w+", shape=shape)


def anchor(
    windows: Sequence[tuple[int, ...]], similarities: Sequence[Similarity], read: Callable[[int], Answer]
) -> list[Similarity]:
    """The same, in a world that is the camera of the first frame."""
    shares = _shares(0, windows)
    camera, _ = _camera(shares, windows, similarities, read, 0)
    back = invert(camera)
    turn = Similarity(scale=1.0, rotation=back[:3, :3], translation=back[:3, 3])
    return [turn.after(each) for each in similarities]


def _shares(frame: int, windows: Sequence[tuple[int, ...]]) -> list[tuple[int, float]]:
    """Windows that hold a frame and the weight of each; the weights sum to 1."""
    weights = [
        (number, min(window.index(frame) + 1, len(window) - window.index(frame)))
        for number, window in enumerate(windows)
        if frame in window
    ]
    total = sum(weight for _, weight in weights)
    return [(number, weight / total) for number, weight in weights]


def _camera(
    shares: list[tuple[int, float]],
    windows: Sequence[tuple[int, ...]],
    similarities: Sequence[Similarity],
    read: Callable[[int], Answer],
    frame: int,
) -> tuple[Float64[np.ndarray, "4 4"], Float64[np.ndarray, "3 3"]]:
    """world_from_camera and K of a frame."""
    weight = np.array([share for _, share in shares])
    places = [windows[number].index(frame) for number, _ in shares]
    poses = np.stack(
        [
            similarities[number].poses(read(number).world_from_camera[place])
            for (number, _), place in zip(shares, places, strict=True)
        ]
    )
    pose = np.eye(4)
    pose[:3, :3] = mean_rotation(poses[:, :3, :3], weight)
    pose[:3, 3] = weight @ poses[:, :3, 3]
    K = sum(share * read(number).K[place] for (number, share), place in zip(shares, places, strict=True))
    return pose, np.asarray(K)


def _frame(
    frame: int, windows: Sequence[tuple[int, ...]], similarities: Sequence[Similarity], read: Callable[[int], Answer]
) -> Arrays:
    """All of a frame."""
    shares = _shares(frame, windows)
    pose, K = _camera(shares, windows, similarities, read, frame)
    parts = zip(*_weighted(frame, shares, windows, similarities, read), strict=True)
    points, confidence, motion = (np.sum(part, axis=0) for part in parts)
    depth = transform(invert(pose), points)[..., 2]
    return {
        "K": K,
        "world_from_camera": pose,
        "depth": depth,
        "points": points,
        "confidence": confidence,
        "motion": motion,
    }


def _weighted(
    frame: int,
    shares: list[tuple[int, float]],
    windows: Sequence[tuple[int, ...]],
    similarities: Sequence[Similarity],
    read: Callable[[int], Answer],
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Points, confidence and motion in the world, times the weight of each window."""
    for number, share in shares:
        answer, similarity, place = read(number), similarities[number], windows[number].index(frame)
        yield (
            share * similarity.points(answer.points[place]),
            share * answer.confidence[place],
            share * similarity.scale * answer.motion[place],
        )


def _tracks(
    windows: Sequence[tuple[int, ...]], similarities: Sequence[Similarity], read: Callable[[int], Answer]
) -> Arrays:
    """The tracks of all windows, which are equally long."""
    tracks, pixels, sources = [], [], []
    for number, window in enumerate(windows):
        answer = read(number)
        tracks.append(similarities[number].points(answer.tracks).astype(np.float32))
        pixels.append(answer.track_pixel)
        sources.append(np.full(len(answer.tracks), window[0], np.int32))
    names = ("tracks", "track_pixel", "track_frame")
    return {name: np.concatenate(parts) for name, parts in zip(names, (tracks, pixels, sources), strict=True)}
