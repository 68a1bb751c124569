"""What is done to the images of a window, the same to all of its frames: a centred square crop, colours, a mirror.

A crop keeps the principal point in the middle, as the pose encoding knows no other. A mirrored example is a true example
of a mirrored world: points, cameras and pixels are mirrored with the images.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from jaxtyping import Float32, Float64, UInt8
from PIL import Image

from vdpm.training.example import Example
from vdpm.training.tracing import recolour

SMALLEST_CROP = 0.6
"""Of the largest square around the principal point."""


@dataclass(frozen=True, kw_only=True)
class Crop:
    """A square of an image around the principal point, resized to `size` pixels."""

    left: float
    top: float
    side: float
    """Pixels of the image, counted from its corner."""
    size: int

    def intrinsics(self, K: Float64[np.ndarray, "3 3"]) -> Float64[np.ndarray, "3 3"]:
        """K of the crop, corner origin."""
        moved = K.copy()
        moved[:2, 2] -= (self.left, self.top)
        zoom = self.size / self.side
        return np.diag([zoom, zoom, 1.0]) @ moved

    @lru_cache(maxsize=64)  # noqa: B019 - crops are small; those of a window are mostly equal
    def nearest(self, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows and columns of the image that the pixel centres of the crop fall on."""
        centres = (np.arange(self.size) + 0.5) * self.side / self.size
        rows = np.clip(np.floor(self.top + centres), 0, height - 1).astype(int)
        return rows, np.clip(np.floor(self.left + centres), 0, width - 1).astype(int)

    def stored(self, rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where the centres of rows and columns of the image are in the crop."""
        zoom = self.size / self.side
        return (rows + 0.5 - self.top) * zoom, (columns + 0.5 - self.left) * zoom

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom, as PIL wants them."""
        return self.left, self.top, self.left + self.side, self.top + self.side


def crop(K: Float64[np.ndarray, "3 3"], height: int, width: int, zoom: float, size: int) -> Crop:
    """The largest square around the principal point, times `zoom`."""
    u, v = K[:2, 2]
    side = 2.0 * zoom * min(u, width - u, v, height - v)
    return Crop(left=float(u - side / 2), top=float(v - side / 2), side=float(side), size=size)


def resized(images: UInt8[np.ndarray, "S h w 3"], crops: Sequence[Crop]) -> UInt8[np.ndarray, "S size size 3"]:
    """The crops of images; each colour is a mean of what it covers."""
    answer = np.empty((len(crops), crops[0].size, crops[0].size, 3), np.uint8)
    for place, image, crop in zip(answer, images, crops, strict=True):
        place[:] = Image.fromarray(image).resize((crop.size, crop.size), Image.Resampling.BILINEAR, box=crop.box)
    return answer


def draw_zoom(rng: np.random.Generator) -> float:
    """The whole square half of the time, else a part of it."""
    return 1.0 if rng.random() < 0.5 else float(rng.uniform(SMALLEST_CROP, 1.0))


def colours(rng: np.random.Generator, images: UInt8[np.ndarray, "S H W 3"]) -> Float32[np.ndarray, "S 3 H W"]:
    """Images from 0 to 1 under another light and another camera: gain, gamma, one linear map of the channels, noise.

    The curve from 8 bits to the answer is a table, so that only the noise and the mixing cost something per pixel.
    """
    gain, gamma = np.exp(rng.normal(0.0, 0.2, 3)), np.exp(rng.normal(0.0, 0.25))
    gain *= np.exp(rng.normal(0.0, 0.2))
    table = np.clip(gain[:, None] * np.linspace(0.0, 1.0, 256) ** gamma, 0.0, 1.0).astype(np.float32)
    mixing = _mixing(rng).astype(np.float32)
    noise, start = rng.uniform(0.0, 0.02) * (rng.random() < 0.5), 0
    if noise and images.size < len(_grain()):
        start = int(rng.integers(len(_grain()) - images.size))
    answer = np.empty((len(images), 3, *images.shape[1:3]), np.float32)
    recolour(images, table, mixing, _grain(), start, np.float32(noise), answer)
    return answer


@lru_cache(maxsize=1)
def _grain() -> Float32[np.ndarray, " N"]:
    """Normal noise to take pieces of: drawing as many numbers for each window costs more than all the rest."""
    return np.random.default_rng(4).standard_normal(1 << 21, dtype=np.float32)


def _mixing(rng: np.random.Generator) -> Float64[np.ndarray, "3 3"]:
    """Grey sometimes, else a permutation of the channels and a change of saturation."""
    luma = np.tile([0.299, 0.587, 0.114], (3, 1))
    if rng.random() < 0.05:
        return luma
    saturation = rng.uniform(0.5, 1.3)
    order = np.eye(3)[rng.permutation(3) if rng.random() < 0.5 else np.arange(3)]
    return order @ (saturation * np.eye(3) + (1.0 - saturation) * luma)


def mirrored(example: Example) -> Example:
    """The example in a mirror: x becomes -x in the frame of every camera, columns run backwards."""
    flip = np.diag([-1.0, 1.0, 1.0, 1.0])
    for points in (example.here, example.there):
        np.negative(points[..., 0], out=points[..., 0])
    u, v = example.pixels[..., 0], example.pixels[..., 1]
    np.subtract(np.float32(example.images.shape[-1]), u, out=u, where=(u != 0) | (v != 0))
    turned = {
        name: getattr(example, name)[:, :, ::-1] for name in ("here", "there", "pixels", "valid", "known", "visible")
    }
    pose = flip @ example.reference_from_camera @ flip
    return replace(example, images=example.images[..., ::-1], reference_from_camera=pose, **turned)
