"""Where matches are exactly: convolutions read how alike the surroundings of each match are (after RAFT, Teed and Deng 2020).

A softmax over pairs looks at one feature at a time. Where nothing has texture, or a thing moves by less than a feature,
what is around tells more.
"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from vdpm.model.patches import KEYS, around
from vdpm.model.sizes import Sizes
from vdpm.model.stem import STEP, centres

HIDDEN = 96
AROUND = 3
"""Places to each side of a match, two pixels apart, whose likeness is read."""
LOUD = 0.1
"""Likeness is a logit; this brings it near 1."""


class Refine(nn.Module):
    """Moves matches by a pixel or two."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.likeness = nn.Conv2d(2 * (2 * AROUND + 1) ** 2 + 6, HIDDEN, 1)
        self.fine = nn.Conv2d(sizes.stem, HIDDEN, 1)
        self.first, self.second = unit(HIDDEN, 1), unit(HIDDEN, 2)
        self.change = nn.Conv2d(HIDDEN, 2, 3, padding=1)
        nn.init.zeros_(self.change.weight)

    def forward(
        self,
        maps: Float[Tensor, "B F n 4 n"],
        best: Int64[Tensor, "B F n 2"],
        place: Float[Tensor, "B F n 2"],
        sure: Float[Tensor, "B F n 2"],
        fine: Float[Tensor, "B F K h w"],
    ) -> Float[Tensor, "B F n 2"]:
        """Better places, pixels. `maps` and `best` as in `vdpm.model.patches`; `sure` says how likely there is a match,
        and how sharp it is."""
        size = fine.shape[-2], fine.shape[-1]
        start = centres(*size, fine.device).to(place.dtype)
        still = (start / KEYS).long().flip(-1).expand(best.shape)
        likeness = [LOUD * around(maps, where, size, AROUND) for where in (best, still)]
        flow, part = (place - start) / (STEP * size[1]), place / KEYS - best.flip(-1)
        x = self.likeness(image(torch.cat((*likeness, flow, part, sure), dim=-1), size))
        x = x + self.fine(fine.flatten(0, 1))
        x = x + self.second(x + self.first(x))
        return place + self.change(x).float().flatten(2).transpose(1, 2).reshape(place.shape)


def unit(channels: int, dilation: int) -> nn.Sequential:
    """Two convolutions, to be added to what they read."""
    convolution = nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation)
    return nn.Sequential(nn.GELU(), convolution, nn.GELU(), nn.Conv2d(channels, channels, 3, padding=1))


def image(values: Float[Tensor, "B F n C"], size: tuple[int, int]) -> Float[Tensor, "N C h w"]:
    """Values of features, row by row, as the channels of an image."""
    return values.flatten(0, 1).transpose(1, 2).unflatten(2, size)
