"""What a denoiser took besides noise, given back to its image: the contrast of textures, and light that is smooth."""

from typing import Any

import numpy as np
from jaxtyping import Float32
from scipy.ndimage import uniform_filter

from generation.lowpass import BLOCK, DARK, OUTLIER, Bodies, Image, blocks, grown, places, smooth

AROUND, FLAT, ENOUGH = 9, 1e-4, 2000
"""Blocks across which it is looked for, the variance of albedo below which that tells nothing, and the sub-pixels of a body that
are needed."""


def restored(denoised: Image, noisy: Image, albedo: Image, body: Bodies) -> Image:
    """Denoised colour with what was taken from it: light that is smooth is that of `noisy`, divided by albedo."""
    textured = denoised * np.maximum(1 + contrast(denoised, noisy, albedo, body), 0.0)
    light = textured / (albedo + DARK)
    light += smooth(noisy / (albedo + DARK) - light, light, body)
    return np.maximum(light, 0.0) * (albedo + DARK)


def contrast(denoised: Image, noisy: Image, albedo: Image, body: Bodies) -> Image:
    """Body by body, the relative difference of the two, fitted as a linear function of albedo around each sub-pixel (a guided
    filter: He, Sun and Tang 2010), without its mean, which outliers make wrong."""
    relative = np.clip((noisy - denoised) / (denoised + DARK), -OUTLIER, OUTLIER)
    given, guide = np.zeros_like(denoised), albedo.mean(axis=-1, keepdims=True)
    for box, where in places(body, AROUND * BLOCK):
        if where.sum() >= ENOUGH:
            given[box][where] = _fitted(relative[box], guide[box], where[..., None].astype(np.float32))[where]
    return given


def _fitted(image: Image, guide: Float32[np.ndarray, "H W 1"], weight: Float32[np.ndarray, "H W 1"]) -> Image:
    """Coefficients are those of blocks (He and Sun 2015)."""
    values = np.concatenate([guide, guide**2, image, guide * image, np.ones_like(guide)], axis=-1) * weight
    size: Any = (AROUND, AROUND, 1)
    mean = uniform_filter(blocks(values), size)
    mean /= np.maximum(mean[..., 8:], 1e-4)
    middle = mean[..., :1]
    slope = (mean[..., 5:8] - middle * mean[..., 2:5]) / (mean[..., 1:2] - middle**2 + FLAT)
    return grown(slope, weight) * guide - grown(slope * middle, weight)
