"""Images rendered with several sub-pixels to a pixel, and filtered down to pixels afterwards.

A denoiser that sees the sub-pixels keeps edges that a pixel blends, and every light path counts for all pixels whose filter
reaches it, where a renderer that draws its paths from the filter of each pixel uses it once.
"""

import numpy as np
from jaxtyping import Float32, Float64

REACH = 1.5
"""Pixels to either side. Cycles' Blackman-Harris filter: its "width" of 1.5, Blender's default, is half of what it spans."""
STEPS = 1000


def shrink(image: Float32[np.ndarray, "nH nW C"], n: int) -> Float32[np.ndarray, "H W C"]:
    """Pixels from n x n sub-pixels each, in linear light. Beyond the edge the outermost sub-pixels go on."""
    reach = _reach(n)
    height, width, channels = image.shape
    padded = np.pad(image, [(reach, reach), (reach, reach), (0, 0)], mode="edge")
    rows = np.zeros((height // n, padded.shape[1], channels), np.float32)
    pixels = np.zeros((height // n, width // n, channels), np.float32)
    weights = kernel(n).astype(np.float32)
    for start, weight in enumerate(weights):
        rows += weight * padded[start : start + height : n]
    for start, weight in enumerate(weights):
        pixels += weight * rows[:, start : start + width : n]
    return pixels


def _reach(n: int) -> int:
    """Sub-pixels beyond a pixel that its filter reaches on either side."""
    return int(np.ceil((REACH - 0.5) * n))


def kernel(n: int) -> Float64[np.ndarray, " N"]:
    """Weights of the sub-pixels of size 1 / n that a pixel's filter reaches, along one axis; they add up to one.

    Blackman-Harris (Harris 1978), integrated over each sub-pixel.
    """
    cells = n + 2 * _reach(n)
    place = (np.arange(cells * STEPS) + 0.5) / (n * STEPS) - cells / (2 * n)
    turn = 2 * np.pi * (place / (2 * REACH) + 0.5)
    value = 0.35875 - 0.48829 * np.cos(turn) + 0.14128 * np.cos(2 * turn) - 0.01168 * np.cos(3 * turn)
    weights = np.where(np.abs(place) < REACH, value, 0.0).reshape(cells, STEPS).sum(axis=1)
    return weights / weights.sum()
