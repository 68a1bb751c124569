"""Points of a clip to follow: which pixels they are asked for by, where they go, when they are seen."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64

from vdpm import derive
from vdpm.clip import Clip
from vdpm.derive import Hits
from vdpm.raycast import Seen, visibility


@dataclass(frozen=True, kw_only=True)
class Followed:
    """N material points of a clip, none of them ever unknown."""

    positions: Float64[np.ndarray, "T N 3"]
    """In the world, metres."""
    visible: Bool[np.ndarray, "T N"]
    frames: Int64[np.ndarray, " N"]
    """In which each point is asked for."""
    pixels: Float64[np.ndarray, "N 2"]
    """(u, v) of the pixel centre it is asked for by."""


def follow(clip: Clip, count: int, rng: np.random.Generator) -> Followed:
    """Points drawn at random: a frame, one of the bodies seen in it, one of the pixels of that body.

    Each draw is uniform, so that small and moving things get their share beside the ground. Fewer than `count` only if
    frames see nothing. Ordered by frame.
    """
    frames = np.sort(rng.integers(len(clip.rgb), size=count))
    drawn = [_draw(clip, int(frame), int((frames == frame).sum()), rng) for frame in np.unique(frames)]
    together = Hits(
        seen=np.ones((1, sum(len(hits.triangle) for hits, _, _ in drawn)), bool),
        triangle=np.concatenate([hits.triangle for hits, _, _ in drawn]),
        weights=np.concatenate([hits.weights for hits, _, _ in drawn]),
    )
    times = range(len(clip.rgb))
    return Followed(
        positions=np.stack([derive.points(clip, together, time)[0] for time in times]),
        visible=np.stack([visibility(clip, together, time)[0] == Seen.VISIBLE for time in times]),
        frames=np.concatenate([np.full(len(pixels), frame) for _, frame, pixels in drawn]),
        pixels=np.concatenate([pixels for _, _, pixels in drawn]),
    )


def _draw(clip: Clip, frame: int, count: int, rng: np.random.Generator) -> tuple[Hits, int, np.ndarray]:
    """Some material points seen in a frame, that frame, and the pixels that see them."""
    source = derive.hits(clip, frame)
    body = derive.body_of_triangle(clip.surfaces, source.triangle)
    there = np.unique(body)
    picked = rng.choice(there, size=count) if len(there) else np.zeros(0, np.int32)
    index = np.array([rng.choice(np.flatnonzero(body == one)) for one in picked], np.int64)
    rows, columns = np.nonzero(source.seen)
    pixels = np.stack([columns[index] + 0.5, rows[index] + 0.5], axis=-1)
    chosen = Hits(seen=np.ones((1, len(index)), bool), triangle=source.triangle[index], weights=source.weights[index])
    return chosen, frame, pixels
