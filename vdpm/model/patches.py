"""How alike the surroundings of two pixels look, without anything learnt: normalised cross-correlation of patches.

Learnt features take long to find a small thing that moves far; what correlation finds is there from the first step.
"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional

from vdpm.model.stem import STEP

KEYS = 2
"""Pixels from one place of the target frame to the next: twice as fine as features."""
PATCHES = ((8, 2), (24, 4))
"""Sides of the patches and of the squares of pixels that are averaged in them."""


@torch.no_grad()
def alike(source: Float[Tensor, "B F 3 H W"], target: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B F n 4 n"]:
    """Correlation, from -1 to 1, of the features of some frames with the four places of each feature of the target frame.

    Places come row by row: (0, 0), (0, 1), (1, 0), (1, 1) within their feature, two pixels apart.
    """
    query = _described(source.flatten(0, 1).float(), (STEP // 2, STEP // 2)).unflatten(0, source.shape[:2])
    keys = [_described(target.float(), (1 + KEYS * row, 1 + KEYS * column)) for row in (0, 1) for column in (0, 1)]
    return (query.transpose(2, 3) @ torch.cat(keys, dim=-1)[:, None]).unflatten(3, (4, -1))


def _described(images: Float[Tensor, "N 3 H W"], start: tuple[int, int]) -> Float[Tensor, "N C n"]:
    """Patches of all sizes around the pixels from a place on that are `STEP` apart, together of length 1."""
    parts = [_patches(images, patch, start) for patch in PATCHES]
    return torch.cat(parts, dim=1) / len(PATCHES) ** 0.5


def _patches(
    images: Float[Tensor, "N 3 H W"], patch: tuple[int, int], start: tuple[int, int]
) -> Float[Tensor, "N C n"]:
    """Patches without their mean colour, at length 1."""
    (side, mean), (height, width) = patch, images.shape[-2:]
    padded = functional.pad(images, (side // 2,) * 4, mode="replicate")
    smooth = functional.avg_pool2d(padded, mean, 1)
    smooth = smooth[
        ..., start[0] : start[0] + height - STEP + side - mean + 1, start[1] : start[1] + width - STEP + side - mean + 1
    ]
    pixels = functional.unfold(smooth, side // mean, dilation=mean, stride=STEP).unflatten(1, (3, -1))
    return functional.normalize((pixels - pixels.mean(dim=2, keepdim=True)).flatten(1, 2), dim=1)


def around(
    maps: Float[Tensor, "B F n 4 n"], best: Int64[Tensor, "B F n 2"], size: tuple[int, int], reach: int
) -> Float[Tensor, "B F n K"]:
    """Maps in a square around a place each, (row, column); at the edge the last place stands for those beyond.

    `size` is rows and columns of features, of which each has four places.
    """
    side = torch.arange(-reach, reach + 1, device=best.device)
    row = (best[..., :1] + side).clamp(0, 2 * size[0] - 1)[..., :, None]
    column = (best[..., 1:] + side).clamp(0, 2 * size[1] - 1)[..., None, :]
    index = (2 * (row % 2) + column % 2) * maps.shape[-1] + (row // 2) * size[1] + column // 2
    return maps.flatten(3).gather(3, index.flatten(3))


def placed(index: Int64[Tensor, "*N"], size: tuple[int, int]) -> Int64[Tensor, "*N 2"]:
    """Row and column of the place of an index into the last two axes of such maps."""
    part, feature = index // (size[0] * size[1]), index % (size[0] * size[1])
    return torch.stack((2 * (feature // size[1]) + part // 2, 2 * (feature % size[1]) + part % 2), dim=-1)
