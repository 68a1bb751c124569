"""How alike the surroundings of two pixels look, without anything learnt: normalised cross-correlation of patches.

Learnt features take long to find a small thing that moves far; what correlation finds is there from the first step.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from vdpm.model.stem import STEP

KEYS = 2
"""Pixels from one place of the target frame to the next: twice as fine as features."""
PATCHES = ((8, 2), (24, 4))
"""Sides of the patches and of the squares of pixels that are averaged in them."""


@torch.no_grad()
def alike(source: Float[Tensor, "B F 3 H W"], target: Float[Tensor, "B 3 H W"]) -> list[Float[Tensor, "B F n m"]]:
    """Correlations, from -1 to 1, of the n features of some frames with m = 4 n places of the target frame, by patch."""
    found = []
    for patch in PATCHES:
        query = _described(source.flatten(0, 1).float(), patch, STEP).unflatten(0, source.shape[:2])
        key = _described(target.float(), patch, KEYS)
        found.append(query.transpose(2, 3) @ key[:, None])
    return found


def _described(images: Float[Tensor, "N 3 H W"], patch: tuple[int, int], step: int) -> Float[Tensor, "N C n"]:
    """Patches around pixels `step` apart, without their mean colour, at length 1."""
    (side, mean), (height, width) = patch, images.shape[-2:]
    padded = functional.pad(images, (side // 2,) * 4, mode="replicate")
    pixels = functional.unfold(functional.avg_pool2d(padded, mean, 1), side // mean, dilation=mean)
    pixels = pixels.unflatten(2, (height + 1, width + 1))[..., step // 2 : height : step, step // 2 : width : step]
    pixels = pixels.flatten(2).unflatten(1, (3, -1))
    return functional.normalize((pixels - pixels.mean(dim=2, keepdim=True)).flatten(1, 2), dim=1)


def coarser(maps: Float[Tensor, "B F n m"], size: tuple[int, int]) -> Float[Tensor, "B F n n"]:
    """The best of the four places that belong to each feature of the target frame."""
    return functional.max_pool2d(maps.flatten(0, 1).unflatten(2, _twice(size)), 2).flatten(2).view(*maps.shape[:3], -1)


def finer(maps: Float[Tensor, "B F n n"], size: tuple[int, int]) -> Float[Tensor, "B F n m"]:
    """Features of the target frame, each at its four places."""
    image = maps.flatten(0, 1).unflatten(2, size)
    return functional.interpolate(image, scale_factor=2.0, mode="nearest").flatten(2).view(*maps.shape[:3], -1)


def _twice(size: tuple[int, int]) -> tuple[int, int]:
    return 2 * size[0], 2 * size[1]
