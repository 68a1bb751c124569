"""Where matches are exactly: convolutions read how alike the surroundings of each match are (after RAFT, Teed and Deng 2020).

A softmax over pairs looks at one feature at a time. Where nothing has texture, or a thing moves by less than a feature,
what is around tells more.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from vdpm.model.patches import KEYS
from vdpm.model.sizes import Sizes
from vdpm.model.stem import STEP, centres

HIDDEN = 96
AROUND = 3
"""Places to each side of a match, two pixels apart, whose likeness is read."""
ROUNDS = 1
LOUD = 0.1
"""Likeness is a logit; this brings it near 1."""


class Refine(nn.Module):
    """Moves matches, some rounds with the same weights."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.likeness = nn.Conv2d(2 * (2 * AROUND + 1) ** 2 + 4, HIDDEN, 1)
        self.fine = nn.Conv2d(sizes.stem, HIDDEN, 1)
        self.first, self.second = unit(HIDDEN, 1), unit(HIDDEN, 2)
        self.change = nn.Conv2d(HIDDEN, 2, 3, padding=1)
        nn.init.zeros_(self.change.weight)

    def forward(
        self,
        pairs: Float[Tensor, "B F n m"],
        place: Float[Tensor, "B F n 2"],
        sure: Float[Tensor, "B F n 2"],
        fine: Float[Tensor, "B F K h w"],
    ) -> list[Float[Tensor, "B F n 2"]]:
        """Places after each round, pixels. `sure` says how likely there is a match, and how sharp it is."""
        size, frames = fine.shape[-2:], fine.shape[:2]
        start, look = centres(*size, fine.device).to(place.dtype), self.fine(fine.flatten(0, 1))
        maps = pairs.flatten(0, 2)[:, None].unflatten(2, (2 * size[0], 2 * size[1]))
        still = around(maps, start.expand(*frames, -1, -1))
        places = []
        for _ in range(ROUNDS):
            place = place.detach()
            flow = (place - start) / (STEP * size[1])
            said = torch.cat((LOUD * around(maps, place), LOUD * still, flow, sure), dim=-1)
            x = look + self.likeness(image(said, size))
            x = x + self.second(x + self.first(x))
            place = place + self.change(x).float().flatten(2).transpose(1, 2).view(place.shape)
            places.append(place)
        return places


def around(maps: Float[Tensor, "N 1 h w"], place: Float[Tensor, "B F n 2"]) -> Float[Tensor, "B F n K"]:
    """Maps of places `KEYS` apart, one for each feature, read in a square around a place in pixels; 0 beyond the edge."""
    size = maps.new_tensor([maps.shape[-1], maps.shape[-2]])
    reach = torch.arange(-AROUND, AROUND + 1, device=maps.device, dtype=maps.dtype)
    square = torch.stack(torch.meshgrid(reach, reach, indexing="xy"), dim=-1)
    middle = place.flatten(0, 2).to(maps.dtype) / KEYS - 0.5 / KEYS
    grid = 2.0 * (middle[:, None, None] + square) / size - 1.0
    read = functional.grid_sample(maps, grid, mode="bilinear", align_corners=False)
    return read.flatten(1).view(*place.shape[:3], -1)


def unit(channels: int, dilation: int) -> nn.Sequential:
    """Two convolutions, to be added to what they read."""
    convolution = nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation)
    return nn.Sequential(nn.GELU(), convolution, nn.GELU(), nn.Conv2d(channels, channels, 3, padding=1))


def image(values: Float[Tensor, "B F n C"], size: torch.Size) -> Float[Tensor, "N C h w"]:
    """Values of features, row by row, as the channels of an image."""
    return values.flatten(0, 1).transpose(1, 2).unflatten(2, tuple(size))
