"""Image resizing as the public evaluators do it, written out so that no number depends on an image library.

Pixel centres lie at +0.5 and borders repeat. `cubic` and `linear` are OpenCV's INTER_CUBIC and INTER_LINEAR (they do not
smooth when shrinking); `antialiased` is the triangle filter of Pillow and of PyTorch's `antialias=True`.
"""

from functools import lru_cache

import numpy as np
from jaxtyping import Float, Float64

CUBIC_A = -0.75
"""OpenCV's; Pillow has -0.5."""


def _cubic_kernel(x: np.ndarray) -> np.ndarray:
    """Keys 1981 with a = -0.75: it overshoots at edges, also below zero."""
    x = np.abs(x)
    near = ((CUBIC_A + 2) * x - (CUBIC_A + 3)) * x**2 + 1
    far = CUBIC_A * (((x - 5) * x + 8) * x - 4)
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


def _linear_kernel(x: np.ndarray) -> np.ndarray:
    return np.clip(1 - np.abs(x), 0.0, None)


@lru_cache(maxsize=16)
def _interpolation(size: int, target: int, kind: str) -> np.ndarray:
    """Weights (target, size) of a kernel of fixed width; taps beyond the border count for the border pixel."""
    centre = (np.arange(target) + 0.5) * size / target - 0.5
    taps = np.floor(centre)[:, None] + np.arange(-1, 3)
    kernel = _cubic_kernel if kind == "cubic" else _linear_kernel
    weights = np.zeros((target, size))
    inside = np.clip(taps, 0, size - 1).astype(int)
    np.add.at(weights, (np.arange(target)[:, None], inside), kernel(taps - centre[:, None]))
    return weights


@lru_cache(maxsize=16)
def _area(size: int, target: int) -> np.ndarray:
    """Weights (target, size) of a triangle that widens when shrinking; taps beyond the border do not count."""
    scale = size / target
    width = max(scale, 1.0)
    offset = np.arange(size) + 0.5 - (np.arange(target)[:, None] + 0.5) * scale
    weights = _linear_kernel(offset / width)
    return weights / weights.sum(axis=1, keepdims=True)


def _apply(
    images: Float[np.ndarray, "*T H W"], rows: Float64[np.ndarray, "h H"], columns: Float64[np.ndarray, "w W"]
) -> Float[np.ndarray, "*T h w"]:
    return (rows @ images.astype(np.float64) @ columns.T).astype(images.dtype)


def cubic(images: Float[np.ndarray, "*T H W"], height: int, width: int) -> Float[np.ndarray, "*T h w"]:
    """OpenCV's INTER_CUBIC. Values can overshoot: a depth may come out negative."""
    if images.shape[-2:] == (height, width):
        return images
    rows, columns = images.shape[-2:]
    return _apply(images, _interpolation(rows, height, "cubic"), _interpolation(columns, width, "cubic"))


def linear(images: Float[np.ndarray, "*T H W"], height: int, width: int) -> Float[np.ndarray, "*T h w"]:
    """OpenCV's INTER_LINEAR."""
    if images.shape[-2:] == (height, width):
        return images
    rows, columns = images.shape[-2:]
    return _apply(images, _interpolation(rows, height, "linear"), _interpolation(columns, width, "linear"))


def antialiased(images: Float[np.ndarray, "*T H W"], height: int, width: int) -> Float[np.ndarray, "*T h w"]:
    """PyTorch's bilinear interpolation with antialias."""
    if images.shape[-2:] == (height, width):
        return images
    return _apply(images, _area(images.shape[-2], height), _area(images.shape[-1], width))
