"""Light shared between the frames of a clip, along true motion, before the denoiser sees it.

What is averaged is light divided by albedo, of sub-pixels that show the same point of the same body in other frames, as far as
the light around them is the same there. Light changes slowly over surfaces as things and cameras move: what is smooth of the
difference between the mean and the frame's own light is given back, so that only noise is averaged away.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int
from scipy.ndimage import maximum_filter, minimum_filter, uniform_filter

from generation.lowpass import DARK, Bodies, Image, smooth
from vdpm.clip import Clip
from vdpm.derive import Hits, bodies, depth, hits, points_in_view

Channel = Float32[np.ndarray, "H W"]
Mask = Bool[np.ndarray, "H W"]
BRIGHT = 20.0
"""What counts no more where light is compared: one path that met a lamp says nothing of the others."""
PATCH, DIFFERENCE = 9, 0.05
"""Sub-pixels across which light is compared, and the relative difference at which a frame's weight has dropped to 0.6."""
NEAR = 1e-3
"""Share of its distance by which a point may lie before or behind all that is seen around the place where it should be."""


@dataclass(frozen=True, kw_only=True)
class Frame:
    """What is known of a frame, noisy, at the size of sub-pixels."""

    light: Image
    """Divided by albedo."""
    albedo: Image
    normal: Image
    level: Channel
    """Logarithm of light."""
    body: Bodies
    nearest: Channel
    """The least and the greatest depth around each sub-pixel, metres."""
    farthest: Channel


def frame_of(clip: Clip, frame: int, colour: Image, albedo: Image, normal: Image) -> Frame:
    """From what was rendered; `clip` is at the size of sub-pixels."""
    albedo = np.minimum(albedo, 1.0)
    light = colour / (albedo + DARK)
    level = np.log1p(np.minimum(light.mean(axis=-1), BRIGHT))
    away = np.nan_to_num(depth(clip, frame)).astype(np.float32)
    nearest, farthest = minimum_filter(away, 3) * (1 - NEAR), maximum_filter(away, 3) * (1 + NEAR)
    return Frame(
        light=light,
        albedo=albedo,
        normal=normal,
        level=level,
        body=bodies(clip, frame),
        nearest=nearest,
        farthest=farthest,
    )


def window(frame: int, reach: int, length: int) -> range:
    """The 2 reach + 1 frames around a frame; at the ends of a clip, as many to one side."""
    start = max(0, min(frame - reach, length - 2 * reach - 1))
    return range(start, min(length, start + 2 * reach + 1))


def shared(clip: Clip, frame: int, near: Mapping[int, Frame], shares: Bool[np.ndarray, " B"]) -> Image:
    """Colour of a frame from its own light and that of all others in `near`. `shares`: bodies whose light stays with them,
    which that of glass and of mirrors does not."""
    here, source = near[frame], hits(clip, frame)
    total, weight = here.light.copy(), np.ones(here.level.shape, np.float32)
    sharing = np.append(shares, False)[here.body]
    for other in near:
        if other == frame:
            continue
        place, same = landing(clip, source, here, near[other], other)
        same = once(place, same & sharing)
        one = alike(near[other].level.ravel()[place], here.level, same)
        total += one[..., None] * near[other].light.reshape(-1, 3)[place]
        weight += one
    mean = total / weight[..., None]
    mean += smooth(here.light - mean, mean, here.body)
    return np.maximum(mean, 0.0) * (here.albedo + DARK)


def landing(clip: Clip, source: Hits, here: Frame, there: Frame, other: int) -> tuple[Int[np.ndarray, "H W"], Mask]:
    """The place where the points of a frame are in another, row by row, and whether that is where they are seen."""
    height, width = here.level.shape
    points = points_in_view(clip, source, other, other)
    across, down, away = clip.cameras.K[other] @ points
    with np.errstate(divide="ignore", invalid="ignore"):
        column, row = across / away, down / away
    inside = (away > 0) & (column >= 0) & (column < width) & (row >= 0) & (row < height)
    lands = np.where(inside, row, 0).astype(np.int32) * width + np.where(inside, column, 0).astype(np.int32)
    inside &= there.body.ravel()[lands] == here.body[source.seen]
    inside &= (there.nearest.ravel()[lands] <= away) & (away <= there.farthest.ravel()[lands])
    place, same = np.zeros((height, width), np.int32), np.zeros((height, width), bool)
    place[source.seen], same[source.seen] = lands, inside
    return place, same


def once(place: Int[np.ndarray, "H W"], same: Mask) -> Mask:
    """No place taken twice: of a thing that is larger here than there, noise would be repeated, and a denoiser takes noise that
    neighbours have in common for texture."""
    takers = np.flatnonzero(same)
    places = place.ravel()[takers]
    taker = np.zeros(same.size, np.int64)
    taker[places] = takers
    kept = np.zeros(same.size, bool)
    kept[takers] = taker[places] == takers
    return kept.reshape(same.shape)


def alike(there: Channel, here: Channel, same: Mask) -> Channel:
    """Weights of another frame's light: 1 where it is as bright as here, patch by patch; 0 where it is not the same point."""
    known = same.astype(np.float32)
    wrong = uniform_filter(known * (there - here), PATCH)
    level = uniform_filter(known * here, PATCH)
    return known * np.exp(-((wrong / np.maximum(level, 1e-3)) ** 2) / (2 * DIFFERENCE**2))
