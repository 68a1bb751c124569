"""Windows: the frames that are answered at once, and the answers.

A network sees some tens of frames at a time. A longer video is cut into windows that overlap by a quarter; one more window,
the skeleton, holds frames from all over the video and ties its ends together (`vdpm.reconstruction.graph`).
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Float64, UInt8

from vdpm.files import replacing

SMALLEST = 2
OVERLAP = 4
"""Windows share a quarter of their frames, one at least."""
SKELETON_FROM = 3
"""Two windows cannot drift apart; from three on the skeleton helps."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What is known of S frames. The world is free: any frame, any scale."""

    K: Float64[np.ndarray, "S 3 3"]
    world_from_camera: Float64[np.ndarray, "S 4 4"]
    points: Float32[np.ndarray, "S H W 3"]
    """P_s(s): of the pixels of each frame at its own time, in the world."""
    confidence: Float32[np.ndarray, "S H W"]
    motion: Float32[np.ndarray, "S H W"]
    """How far each point is from there at the first or last time of the window, whichever is farther."""
    tracks: Float32[np.ndarray, "M S 3"]
    """Where points of the first frame are at each time, in the world."""
    track_pixel: Float32[np.ndarray, "M 2"]
    """The pixels (u, v) of the first frame that these are."""


Predict = Callable[[UInt8[np.ndarray, "S H W 3"]], Answer]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The windows of a video, in order; `skeleton` is not needed for any frame but joins the others."""

    windows: tuple[tuple[int, ...], ...]
    skeleton: tuple[int, ...] = ()

    @property
    def all(self) -> tuple[tuple[int, ...], ...]:
        return (*self.windows, self.skeleton) if self.skeleton else self.windows


def plan(frames: int, size: int) -> Plan:
    """Windows of `size` frames, the last one shifted back to be as long as the others."""
    if frames <= size:
        return Plan(windows=(tuple(range(frames)),))
    step = size - max(1, size // OVERLAP)
    starts = [*range(0, frames - size, step), frames - size]
    windows = tuple(tuple(range(start, start + size)) for start in starts)
    skeleton = np.unique(np.linspace(0, frames - 1, size).round().astype(int))
    return Plan(windows=windows, skeleton=tuple(skeleton.tolist()) if len(windows) >= SKELETON_FROM else ())


def is_out_of_memory(error: Exception) -> bool:
    """Python, PyTorch on a CPU, and on each kind of accelerator say it in their own way."""
    text = str(error).lower()
    said = any(words in text for words in ("out of memory", "can't allocate memory", "not enough memory"))
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and said)


def write_answer(path: Path, answer: Answer) -> None:
    """Keep an answer on the disk, whole or not at all."""
    with replacing(path) as file:
        np.savez(file, **{field.name: getattr(answer, field.name) for field in fields(Answer)})


def read_answer(path: Path) -> Answer:
    with np.load(path, allow_pickle=False) as arrays:
        return Answer(**{field.name: arrays[field.name] for field in fields(Answer)})
