"""Silhouettes whose coverage is counted, not drawn by lot: what part of a sub-pixel each body covers, evenly spread rays to the
meshes tell for less than a handful of light paths, which meet one body or another by chance.

A sub-pixel that several bodies share is composed anew from their colours beside it, as far as those are uniform: where light or
texture changes from one sub-pixel to the next, what was rendered there is nearer to the truth.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int
from scipy.ndimage import maximum_filter, minimum_filter

from generation.lowpass import Bodies, Image
from vdpm.clip import Clip
from vdpm.derive import body_of_triangle
from vdpm.geometry import rays
from vdpm.raycast import first_hits

RAYS = 16
"""To a sub-pixel."""
SIDE, WIDTH = 2, 1.0
"""Sub-pixels to either side from which colours are taken, and the standard deviation of their weights."""
LOT = 0.02
"""Variance of the mean of a few paths that meet one body or another, as a share of the variance between the bodies."""


@dataclass(frozen=True, kw_only=True)
class Shared:
    """Sub-pixels that several bodies share."""

    row: Int[np.ndarray, " N"]
    column: Int[np.ndarray, " N"]
    body: Int[np.ndarray, "N R"]
    """That each of the rays meets; -1 is the sky."""


def composed(clip: Clip, frame: int, body: Bodies, image: Image) -> Image:
    """An image, in linear light, with its silhouettes as bodies cover them. `body`: what the middles of sub-pixels show."""
    split = silhouettes(clip, frame, body)
    pure = np.ones(body.shape, bool)
    pure[split.row, split.column] = False
    colour, trust = from_beside(split, body, pure, image)
    result = image.copy()
    rendered = image[split.row, split.column]
    result[split.row, split.column] = rendered + trust[:, None] * (colour - rendered)
    return result


def silhouettes(clip: Clip, frame: int, body: Bodies) -> Shared:
    """Found among the sub-pixels beside which there is another body."""
    row, column = np.nonzero(maximum_filter(body, 3) != minimum_filter(body, 3))
    place = np.stack([column, row], axis=-1)[:, None] + spread(RAYS)
    triangle, _ = first_hits(clip.surfaces, clip.cameras, frame, rays(clip.cameras.K[frame], place.reshape(-1, 2)))
    met = body_of_triangle(clip.surfaces, triangle).reshape(-1, RAYS)
    several = (met != met[:, :1]).any(axis=1)
    return Shared(row=row[several], column=column[several], body=met[several])


def spread(count: int) -> Float64[np.ndarray, "count 2"]:
    """Points of the unit square, evenly spread: Hammersley's, for a power of two."""
    number, bits = np.arange(count), count.bit_length() - 1
    turned = sum((number >> bit & 1) << (bits - 1 - bit) for bit in range(bits))
    return (np.stack([number, turned], axis=-1) + 0.5) / count


def from_beside(
    split: Shared, body: Bodies, pure: Bool[np.ndarray, "H W"], image: Image
) -> tuple[Float64[np.ndarray, "N 3"], Float64[np.ndarray, " N"]]:
    """The colour of each of some sub-pixels, composed of those of its bodies beside it, and how far to trust in it, from 0 to 1.

    The trust is that share of two variances, of coverage drawn by lot and of the colours that a body has beside it (of their
    logarithms, for the eye and the view transform compare them so), that makes the squared error least.
    """
    weight = np.zeros(split.body.shape)
    colour, level, square = np.zeros((3, *split.body.shape, 3))
    seen = np.log1p(image)
    for near, row, column in beside(split, pure):
        mine = (near[:, None] * (body[row, column][:, None] == split.body))[..., None]
        weight += mine[..., 0]
        colour += mine * image[row, column][:, None]
        level += mine * seen[row, column][:, None]
        square += mine * seen[row, column][:, None] ** 2
    known, per = (weight > 0).all(axis=1), np.maximum(weight, 1e-9)[..., None]
    level = level / per
    lot = LOT * level.var(axis=1).mean(axis=-1)
    uneven = np.maximum(square / per - level**2, 0.0).mean(axis=(1, 2))
    return (colour / per).mean(axis=1), known * lot / np.maximum(lot + uneven, 1e-12)


def beside(
    split: Shared, pure: Bool[np.ndarray, "H W"]
) -> Iterator[tuple[Float64[np.ndarray, " N"], Int[np.ndarray, " N"], Int[np.ndarray, " N"]]]:
    """Row and column of each neighbour in turn, and its weight: 0 if several bodies share it too, or if it is not there."""
    height, width = pure.shape
    for down in range(-SIDE, SIDE + 1):
        for right in range(-SIDE, SIDE + 1):
            row, column = split.row + down, split.column + right
            there = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            row, column = np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)
            yield there * pure[row, column] * np.exp(-(down**2 + right**2) / (2 * WIDTH**2)), row, column
