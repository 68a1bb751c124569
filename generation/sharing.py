"""Light shared between the frames of a clip, along true motion, before the denoiser sees it.

What is averaged is light divided by albedo, of sub-pixels that show the same point of the same body in other frames, as far as
the light around them is the same there. Light changes slowly over surfaces as things and cameras move: what is smooth of the
difference between the mean and the frame's own light is given back, so that only noise is averaged away. What a denoiser then
takes away besides noise is given back in the same spirit, as far as it follows the albedo.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Int
from scipy.ndimage import find_objects, gaussian_filter, maximum_filter, minimum_filter, uniform_filter

from vdpm.clip import Clip
from vdpm.derive import Hits, bodies, depth, hits, point_map
from vdpm.geometry import project

Image = Float32[np.ndarray, "H W 3"]
Channel = Float32[np.ndarray, "H W"]
DARK = 0.02
"""Added to albedos before light is divided by them."""
BRIGHT = 20.0
"""What counts no more where light is compared: one path that met a lamp says nothing of the others."""
PATCH, DIFFERENCE = 7, 0.05
"""Sub-pixels across which light is compared, and the relative difference at which a frame's weight has dropped to 0.6."""
SMOOTH, BLOCK = 16, 4
"""Sub-pixels, standard deviation, of what counts as smooth; and the side of the blocks that it is worked out on."""
NEAR = 1e-3
"""Share of its distance by which a point may lie before or behind all that is seen around the place where it should be."""
AROUND, OUTLIER, FLAT, ENOUGH = 33, 3.0, 1e-3, 2000
"""To give back what denoising took: sub-pixels across which it is looked for, the share of the light beyond which it is noise,
the variance of albedo below which it tells nothing, and the sub-pixels of a body that are needed."""


@dataclass(frozen=True, kw_only=True)
class Frame:
    """What is known of a frame, noisy, at the size of sub-pixels."""

    light: Image
    """Divided by albedo."""
    albedo: Image
    normal: Image
    level: Channel
    """Logarithm of light."""
    body: Int[np.ndarray, "H W"]
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
    for other in near:
        if other == frame:
            continue
        row, column, same = landing(clip, source, here, near[other], other)
        one = alike(near[other].level[row, column], here.level, same & np.append(shares, False)[here.body])
        total += one[..., None] * near[other].light[row, column]
        weight += one
    mean = total / weight[..., None]
    mean += smooth(here.light - mean, here.body)
    return np.maximum(mean, 0.0) * (here.albedo + DARK)


def landing(
    clip: Clip, source: Hits, here: Frame, there: Frame, other: int
) -> tuple[Int[np.ndarray, "H W"], Int[np.ndarray, "H W"], Bool[np.ndarray, "H W"]]:
    """Row and column where the points of a frame are in another, and whether that is where they are seen."""
    points = point_map(clip, source, other, other)
    place = np.nan_to_num(project(points, clip.cameras.K[other]), nan=-1.0)
    height, width = here.level.shape
    column, row = (np.clip(place[..., axis], -1, size).astype(int) for axis, size in ((0, width), (1, height)))
    inside = ((place >= 0) & (place < (width, height))).all(axis=-1) & source.seen
    row, column = np.where(inside, row, 0), np.where(inside, column, 0)
    away = np.nan_to_num(points[..., 2])
    same = inside & (there.body[row, column] == here.body)
    return row, column, same & (there.nearest[row, column] <= away) & (away <= there.farthest[row, column])


def alike(there: Channel, here: Channel, same: Bool[np.ndarray, "H W"]) -> Channel:
    """Weights of another frame's light: 1 where it is as bright as here, patch by patch; 0 where it is not the same point."""
    known = same.astype(np.float32)
    wrong = uniform_filter(known * (there - here), PATCH)
    level = uniform_filter(known * here, PATCH)
    return known * np.exp(-((wrong / np.maximum(level, 1e-3)) ** 2) / (2 * DIFFERENCE**2))


def smooth(image: Image, body: Int[np.ndarray, "H W"]) -> Image:
    """The smooth part of an image, each body's by itself."""
    result = np.zeros_like(image)
    for box, where in places(body, 3 * SMOOTH):
        known = where[..., None].astype(np.float32)
        spread = blurred(np.concatenate([image[box] * known, known], axis=-1))
        result[box][where] = (spread[..., :3] / np.maximum(spread[..., 3:], 1e-6))[where]
    return result


def restored(denoised: Image, noisy: Image, frame: Frame) -> Image:
    """Denoised colour with the contrast of textures that was taken from it: body by body, the relative difference of the two,
    fitted as a linear function of albedo around each sub-pixel (a guided filter: He, Sun and Tang 2010), without its mean,
    which outliers make wrong."""
    relative = np.clip((noisy - denoised) / (denoised + DARK), -OUTLIER, OUTLIER)
    given, guide = np.zeros_like(denoised), frame.albedo.mean(axis=-1)
    for box, where in places(frame.body, AROUND):
        if where.sum() >= ENOUGH:
            given[box][where] = _fitted(relative[box], guide[box], where.astype(np.float32))[where]
    return denoised * np.maximum(1 + given, 0.0)


def places(body: Int[np.ndarray, "H W"], margin: int) -> Iterator[tuple[tuple[slice, ...], Bool[np.ndarray, "h w"]]]:
    """For each body in an image, a box with a margin around it, and where in that it is."""
    for number, box in enumerate(find_objects(body + 2)):
        if box is not None:
            wide = tuple(slice(max(0, side.start - margin), side.stop + margin) for side in box)
            yield wide, body[wide] == number - 1


def _fitted(image: Image, guide: Channel, weight: Channel) -> Image:
    def mean(values: Float32[np.ndarray, "H W C"]) -> Float32[np.ndarray, "H W C"]:
        size: Any = (AROUND, AROUND, 1)
        return uniform_filter(weight[..., None] * values, size) / count

    count = np.maximum(uniform_filter(weight, AROUND), 1e-4)[..., None]
    guide = guide[..., None]
    middle, level = mean(guide), mean(image)
    return (mean(guide * image) - middle * level) / (mean(guide**2) - middle**2 + FLAT) * (guide - middle)


def blurred(image: Float32[np.ndarray, "H W C"]) -> Float32[np.ndarray, "H W C"]:
    """A Gaussian blur, worked out on blocks."""
    height, width, channels = image.shape
    padded = np.pad(image, [(0, -height % BLOCK), (0, -width % BLOCK), (0, 0)])
    blocks = padded.reshape(padded.shape[0] // BLOCK, BLOCK, -1, BLOCK, channels).mean(axis=(1, 3))
    spread = gaussian_filter(blocks, (SMOOTH / BLOCK, SMOOTH / BLOCK, 0))
    return spread.repeat(BLOCK, axis=0).repeat(BLOCK, axis=1)[:height, :width]
