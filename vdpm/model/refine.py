"""Where matches are exactly: convolutions read how alike the surroundings of each match are, move it, and read again (after
RAFT, Teed and Deng 2020).

A softmax over pairs looks at one feature at a time. Where nothing has texture, or a thing moves by less than a feature,
what is around tells more; and a match that went astray is brought back by its neighbours.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vdpm.model.patches import KEYS, around
from vdpm.model.sizes import Sizes
from vdpm.model.stem import STEP, centres

ROUNDS = 3
HIDDEN = 96
AROUND = 3
"""Places to each side of a match, two pixels apart, whose likeness is read."""
LOUD = 0.1
"""Likeness is a logit; this brings it near 1."""


class Refine(nn.Module):
    """Moves matches, round by round by the same weights."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.likeness = nn.Conv2d(2 * (2 * AROUND + 1) ** 2 + 7, HIDDEN, 1)
        self.fine = nn.Conv2d(sizes.stem, HIDDEN, 1)
        self.first, self.second, self.third = (unit(HIDDEN, dilation) for dilation in (1, 2, 4))
        self.change = nn.Conv2d(HIDDEN, 2, 3, padding=1)
        nn.init.zeros_(self.change.weight)

    def forward(
        self,
        maps: Float[Tensor, "B F n 4 n"],
        place: Float[Tensor, "B F n 2"],
        sure: Float[Tensor, "B F n 3"],
        fine: Float[Tensor, "B F K h w"],
    ) -> tuple[Float[Tensor, "B F n 2"], ...]:
        """Better places, after each round. `maps` as in `vdpm.model.patches`; `sure` says how likely there is a match, how
        sharp it is, and whether the way back ends where it began."""
        size = fine.shape[-2], fine.shape[-1]
        start = centres(*size, fine.device).to(place.dtype)
        still = (start / KEYS).long().flip(-1).expand(place.shape)
        resting, look = LOUD * around(maps, still, size, AROUND), self.fine(fine.flatten(0, 1))
        places = []
        for _ in range(ROUNDS):
            place = place.detach()  # each round is judged by its own move
            best = (place / KEYS).long().flip(-1)
            likeness = LOUD * around(maps, best, size, AROUND)
            flow, part = (place - start) / (STEP * size[1]), place / KEYS - best.flip(-1)
            x = look + self.likeness(image(torch.cat((likeness, resting, flow, part, sure), dim=-1), size))
            x = x + self.third(x + self.second(x + self.first(x)))
            place = place + self.change(x).float().flatten(2).transpose(1, 2).reshape(place.shape)
            places.append(place)
        return tuple(places)


def unit(channels: int, dilation: int) -> nn.Sequential:
    """Two convolutions, to be added to what they read."""
    convolution = nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation)
    return nn.Sequential(nn.GELU(), convolution, nn.GELU(), nn.Conv2d(channels, channels, 3, padding=1))


def image(values: Float[Tensor, "B F n C"], size: tuple[int, int]) -> Float[Tensor, "N C h w"]:
    """Values of features, row by row, as the channels of an image."""
    return values.flatten(0, 1).transpose(1, 2).unflatten(2, size)
