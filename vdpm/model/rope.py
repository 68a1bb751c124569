"""Rotary position embedding over the rows and columns of patches (Su et al. 2021, in two dimensions).

The channels of a head are [row a, row b, column a, column b]; each pair (a, b) turns by position * BASE ** (-k / K).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from vdpm.model.kept import kept

BASE = 100.0


@dataclass(frozen=True)
class Rope:
    """Cosines and sines of the angles of the tokens of one frame, by channel; of the first of a pair the sine is negative."""

    cosine: Float[Tensor, "P D"]
    sine: Float[Tensor, "P D"]

    def rotate(self, x: Float[Tensor, "*B N D"]) -> Float[Tensor, "*B N D"]:
        """Queries or keys of any number of whole frames, N = frames * P, turned by their positions."""
        tokens, channels = self.cosine.shape
        cosine, sine = self.cosine.to(x.dtype), self.sine.to(x.dtype)
        frames = x.unflatten(-2, (-1, tokens))
        others = frames.unflatten(-1, (2, 2, channels // 4)).flip(-2).flatten(-3)
        return (frames * cosine + others * sine).flatten(-3, -2)


@kept
def rope(rows: int, columns: int, special: int, head: int, device: torch.device) -> Rope:
    """The table of a grid of patches; special tokens come first and stand at position 0, patches start at 1."""
    count = head // 4
    exponent = torch.arange(count, device=device).float() / count
    frequency = 1.0 / BASE**exponent
    row, column = torch.meshgrid(
        torch.arange(1, rows + 1, device=device), torch.arange(1, columns + 1, device=device), indexing="ij"
    )
    patches = torch.stack((row.flatten(), column.flatten()), dim=-1)
    positions = torch.cat((patches.new_zeros(special, 2), patches))
    angle = positions[..., None].float() * frequency
    cosine, sine = angle.cos(), angle.sin()
    return Rope(torch.stack((cosine, cosine), dim=-2).flatten(1), torch.stack((-sine, sine), dim=-2).flatten(1))
