"""A convolutional stem: features of an image at a quarter of its resolution, where tokens are too coarse."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from vdpm.model.kept import kept
from vdpm.model.residual import Residual

STEP = 4
"""Pixels from one feature to the next. The feature at row r, column c stands for the pixel (4 r + 2, 4 c + 2)."""


GROUPS = 8


class Stem(nn.Module):
    """Two strided convolutions and a residual unit, normed: what it hands on is as loud as tokens are."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.outer = nn.Conv2d(3, channels // 2, 5, 2, 2)
        self.outer_norm = nn.GroupNorm(GROUPS, channels // 2)
        self.inner = nn.Conv2d(channels // 2, channels, 3, 2, 1)
        self.inner_norm = nn.GroupNorm(GROUPS, channels)
        self.residual = Residual(channels)
        self.norm = nn.GroupNorm(GROUPS, channels)

    def forward(self, images: Float[Tensor, "B S 3 H W"]) -> Float[Tensor, "B S C h w"]:
        """Images from 0 to 1."""
        x = functional.gelu(self.outer_norm(self.outer(2.0 * images.flatten(0, 1) - 1.0)))
        x = self.residual(self.inner_norm(self.inner(x)))
        return self.norm(x).unflatten(0, images.shape[:2])


def sampled(maps: Tensor) -> Tensor:
    """Maps (*N, H, W, C) at the pixels that features stand for: (*N, h, w, C). Nothing is averaged across an edge."""
    return maps[..., STEP // 2 :: STEP, STEP // 2 :: STEP, :]


@kept
def centres(rows: int, columns: int, device: torch.device) -> Float[Tensor, "n 2"]:
    """Pixels (u, v) that features stand for, row by row."""
    v, u = torch.meshgrid(torch.arange(rows, device=device), torch.arange(columns, device=device), indexing="ij")
    return STEP * torch.stack((u, v), dim=-1).flatten(0, 1).float() + STEP // 2 + 0.5
