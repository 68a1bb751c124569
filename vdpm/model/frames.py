"""Videos as the network wants to see them, and its answers on the pixels of the video.

The network sees images as wide as its position embedding, with a height that is a multiple of the patch. What is taller
than wide is made as tall as that instead and padded with white at both sides to a square: nothing is ever cropped.

Pixels here are counted from the corner (`vdpm.clip`), so resizing scales and padding shifts them. The network counts from
the first pixel centre and puts the principal point at (W/2, H/2) in that count, with which its point maps agree; counted
from the corner it is at (W/2 + 0.5, H/2 + 0.5).
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Float, Float64, UInt8
from PIL import Image
from torch import Tensor

from vdpm.model.sizes import Sizes

WHITE = 1.0
CENTRE = 0.5
"""Of the first pixel, counted from its corner."""


@dataclass(frozen=True, kw_only=True)
class Fit:
    """Where a video lies in the image that the network sees; sizes are (height, width)."""

    video: tuple[int, int]
    shown: tuple[int, int]
    """Size that the frames are resized to."""
    padding: tuple[int, int]
    """Rows above and columns to the left of them."""
    image: tuple[int, int]

    def images(self, rgb: UInt8[np.ndarray, "T H W 3"]) -> Float[Tensor, "1 T 3 h w"]:
        """Frames for the network, from 0 to 1."""
        (height, width), (top, left) = self.shown, self.padding
        images = torch.full((1, len(rgb), 3, *self.image), WHITE)
        for frame, picture in enumerate(rgb):
            resized = Image.fromarray(picture).resize((width, height), Image.Resampling.BICUBIC)
            colours = torch.from_numpy(np.array(resized)).permute(2, 0, 1) / 255.0
            images[0, frame, :, top : top + height, left : left + width] = colours
        return images

    def back(self, maps: Float[np.ndarray, "*N h w 3"]) -> Float[np.ndarray, "*N H W 3"]:
        """Maps of the network at the pixels of the video: each centre takes what it falls on.

        Nothing is interpolated, as the mean of two surfaces lies on neither.
        """
        rows, columns = (
            np.floor((np.arange(size) + CENTRE) * shown / size).astype(int) + start
            for size, shown, start in zip(self.video, self.shown, self.padding, strict=True)
        )
        return maps[..., rows[:, None], columns, :]

    def intrinsics(self, K: Float64[np.ndarray, "*N 3 3"]) -> Float64[np.ndarray, "*N 3 3"]:
        """K of the network's image, counted from the pixel centre, as K of the video, counted from the corner."""
        (height, width), (top, left) = self.shown, self.padding
        shifted = K.copy()
        shifted[..., :2, 2] += CENTRE - np.array([left, top])
        return np.diag([self.video[1] / width, self.video[0] / height, 1.0]) @ shifted


def fit(height: int, width: int, sizes: Sizes) -> Fit:
    """How a video of a size is shown to a network."""
    whole = partial(_multiple, sizes.patch)
    if height <= width:
        shown = image = (whole(height * sizes.image / width), sizes.image)
    else:
        shown = (sizes.image, whole(width * sizes.image / height))
        image = (sizes.image, sizes.image)
    left = (image[1] - shown[1]) // 2
    return Fit(video=(height, width), shown=shown, padding=(0, left), image=image)


def _multiple(patch: int, length: float) -> int:
    return max(1, round(length / patch)) * patch
