"""What is smooth of an image, body by body: Gaussians and means of whole blocks of sub-pixels."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float32, Int
from scipy.ndimage import find_objects, gaussian_filter

Image = Float32[np.ndarray, "H W 3"]
Bodies = Int[np.ndarray, "H W"]
"""Of which body each sub-pixel shows; -1 is the sky."""
SMOOTH, BLOCK = 16, 4
"""Sub-pixels, standard deviation, of what counts as smooth; and the side of the blocks that it is worked out on."""
DARK = 0.02
"""Added to what is divided by."""
OUTLIER = 3.0
"""The share of the light beyond which a difference is noise."""
DOUBT = 2.0
"""How many times the variance counts that noise would leave if it were independent."""


def smooth(difference: Image, light: Image, body: Bodies) -> Image:
    """The smooth part of a difference from some light, each body's by itself, as far as it is more than noise leaves of it.

    That is a Wiener filter: the mean of independent noise under a Gaussian of deviation s has 1 / (4 pi s^2) of its variance,
    and more where the body fills only a part of it.
    """
    result, most = np.zeros_like(light), OUTLIER * (light.mean(axis=-1, keepdims=True) + DARK)
    image = np.clip(difference, -most, most)
    for box, where in places(body, 3 * SMOOTH):
        known, part = where[..., None].astype(np.float32), image[box]
        spread = blurred(np.concatenate([part, np.square(part), np.ones_like(known)], axis=-1) * known)
        share = np.maximum(spread[..., 6:], 1e-6)
        found, noise = spread[..., :3] / share, spread[..., 3:6] / (4 * np.pi * SMOOTH**2 * share**2)
        result[box][where] = grown(found**3 / np.maximum(found**2 + DOUBT * noise, 1e-12), known)[where]
    return result


def places(body: Bodies, margin: int) -> Iterator[tuple[tuple[slice, ...], Bool[np.ndarray, "h w"]]]:
    """For each body in an image, a box with a margin around it, and where in that it is."""
    for number, box in enumerate(find_objects(body + 2)):
        if box is not None:
            wide = tuple(slice(max(0, side.start - margin), side.stop + margin) for side in box)
            yield wide, body[wide] == number - 1


def blurred(image: Float32[np.ndarray, "H W C"]) -> Float32[np.ndarray, "h w C"]:
    """The blocks of an image, under a Gaussian."""
    return gaussian_filter(blocks(image), (SMOOTH / BLOCK, SMOOTH / BLOCK, 0))


def blocks(image: Float32[np.ndarray, "H W C"]) -> Float32[np.ndarray, "h w C"]:
    """Means of blocks; what is missing at the edges counts as zero."""
    height, width, channels = image.shape
    padded = np.pad(image, [(0, -height % BLOCK), (0, -width % BLOCK), (0, 0)])
    return padded.reshape(padded.shape[0] // BLOCK, BLOCK, -1, BLOCK, channels).mean(axis=(1, 3))


def grown(image: Float32[np.ndarray, "h w C"], like: Float32[np.ndarray, "H W 1"]) -> Float32[np.ndarray, "H W C"]:
    """Blocks as large again as they were made from."""
    height, width = like.shape[:2]
    return image.repeat(BLOCK, axis=0).repeat(BLOCK, axis=1)[:height, :width]
