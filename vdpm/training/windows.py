"""Which frames of a clip a training example shows, in which order, and at whose time Q is asked for."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from vdpm.errors import UserError

Reference = Literal["central", "first", "any-of-both"]
"""Which frame of a window is the reference view: the central one as in V-DPM's training, the first as in benchmarks."""

Times = Literal["any", "other", "last"]
"""Whose time Q is asked for: that of any frame, of any but the reference, or of the last frame of the video."""


@dataclass(frozen=True, kw_only=True)
class Window:
    """Frames of a clip, the reference first, the others in the order of the (perhaps reversed) video."""

    frames: tuple[int, ...]
    target: int
    """Index into `frames`."""
    stamps: tuple[int, ...]
    """Frames of the clip since the reference; counted backwards in a reversed video."""


def draw(
    rng: np.random.Generator,
    clip_length: int,
    length: int,
    strides: tuple[int, int],
    reference: Reference,
    times: Times = "any",
) -> Window:
    """A window of `length` frames at an even stride, somewhere in the clip; the stride is as large as fits at most.

    The video runs backwards half of the time. Where the target time is that of any frame, it is a frame's own time once
    in `length` times. Raises `UserError` for a clip that is too short.
    """
    if clip_length < length:
        raise UserError(f"a clip of {clip_length} frames has no window of {length}: ask for shorter windows (--frames)")
    longest = (clip_length - 1) // max(length - 1, 1)
    stride = int(min(rng.integers(strides[0], strides[1] + 1), longest))
    start = int(rng.integers(clip_length - stride * (length - 1)))
    frames = start + stride * np.arange(length)
    if rng.random() < 0.5:
        frames = frames[::-1]
    central = reference == "central" or (reference == "any-of-both" and rng.random() < 0.5)
    first = length // 2 if central else 0
    order = [first, *(place for place in range(length) if place != first)]
    stamps = stride * (np.asarray(order) - first)
    return Window(
        frames=tuple(int(frame) for frame in frames[order]),
        target=_target(rng, order, times),
        stamps=tuple(int(stamp) for stamp in stamps),
    )


def _target(rng: np.random.Generator, order: list[int], times: Times) -> int:
    """Place in the order of a window."""
    if times == "last":
        return order.index(len(order) - 1)
    return int(rng.integers(1, len(order)) if times == "other" and len(order) > 1 else rng.integers(len(order)))
