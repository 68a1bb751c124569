"""Images rendered with several sub-pixels to a pixel, and filtered down to pixels afterwards.

A denoiser that sees the sub-pixels keeps edges that a pixel blends, and every light path counts for all pixels whose filter
reaches it, where a renderer that draws its paths from the filter of each pixel uses it once.
"""

from typing import Any

import numpy as np
from jaxtyping import Float32, Float64

REACH = 1.5
"""Pixels to either side. Cycles' Blackman-Harris filter: its "width" of 1.5, Blender's default, is half of what it spans."""
STEPS = 30_000
BUMP_PIXELS = 0.1
"""Distance over which Blender's bump node takes differences: its default."""


def configure(scene: Any) -> None:
    """Settings of Cycles for sub-pixels, on top of those for pixels; generation/bench says what each brings and costs.

    Box filter, for filtering comes later; bounces and caustics as Blender and Kubric have them, which pixels do without; albedo
    and normals guide the denoiser as they are, since within a sub-pixel they have next to no noise.
    """
    cycles = scene.cycles
    cycles.pixel_filter_type, cycles.filter_width = "BOX", 1.0
    cycles.max_bounces, cycles.diffuse_bounces, cycles.glossy_bounces = 12, 4, 4
    cycles.caustics_reflective = cycles.caustics_refractive = True
    cycles.denoising_prefilter = "NONE"


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

    Blackman-Harris (Harris 1978) at the middles of sub-pixels, made narrower, so that with the width of a sub-pixel itself
    the filter has the variance of the window. Integrated over each sub-pixel it would be softer, and nearer to what Cycles
    does where nothing is denoised; but denoisers soften edges too, and after them this one is nearer (generation/bench).
    """
    place = (np.arange(n + 2 * _reach(n)) + 0.5) / n - 0.5 - _reach(n) / n
    fine = (np.arange(STEPS) + 0.5) / STEPS * 2 * REACH - REACH
    wanted = _variance(fine, _window(fine, REACH)) - 1 / (12 * n**2)
    low, high = 0.5 * REACH, REACH
    for _ in range(50):
        middle = (low + high) / 2
        narrow = _variance(place, _window(place, middle)) < wanted
        low, high = (middle, high) if narrow else (low, middle)
    return _window(place, low)


def _window(place: Float64[np.ndarray, " N"], reach: float) -> Float64[np.ndarray, " N"]:
    """Blackman-Harris that ends at +-reach, to sum one."""
    turn = 2 * np.pi * (place / (2 * reach) + 0.5)
    value = 0.35875 - 0.48829 * np.cos(turn) + 0.14128 * np.cos(2 * turn) - 0.01168 * np.cos(3 * turn)
    value = np.where(np.abs(place) < reach, value, 0.0)
    return value / value.sum()


def _variance(place: Float64[np.ndarray, " N"], weights: Float64[np.ndarray, " N"]) -> float:
    return float(weights @ place**2)
