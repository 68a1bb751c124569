"""The point head: levels of tokens to a point and a confidence per pixel."""

from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from vdpm.model.fusion import Fusion
from vdpm.model.maps import add_positions
from vdpm.model.sizes import Sizes
from vdpm.model.stem import STEP

HIDDEN = 32
FACTORS = (4, 2, 1)
"""Rows of the first levels' features to those of patches; the last level has half as many."""
CHUNK = 8
"""Frames that are decoded at once: features are as large as images."""


class PointHead(nn.Module):
    """Levels of tokens to a point and a confidence per pixel (DPT, Ranftl et al. 2021)."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.sizes = sizes
        features, channels = sizes.point_features, sizes.point_channels
        self.norm = nn.LayerNorm(2 * sizes.width)
        self.projects = nn.ModuleList(nn.Conv2d(2 * sizes.width, count, 1) for count in channels)
        self.resize_layers = nn.ModuleList([
            nn.ConvTranspose2d(channels[0], channels[0], 4, 4),
            nn.ConvTranspose2d(channels[1], channels[1], 2, 2),
            nn.Identity(),
            nn.Conv2d(channels[3], channels[3], 3, 2, 1),
        ])  # fmt: skip
        self.scratch = nn.ModuleDict(
            {f"layer{n}_rn": nn.Conv2d(channels[n - 1], features, 3, padding=1, bias=False) for n in (1, 2, 3, 4)}
            | {f"refinenet{n}": Fusion(features, coarsest=n == 4) for n in (1, 2, 3, 4)}
            | {"output_conv1": nn.Conv2d(features, features // 2, 3, padding=1), "output_conv2": _out(features // 2)}
        )
        if sizes.stem:
            self.skip = nn.Conv2d(sizes.stem, features, 1)
            self.skipped = FACTORS.index(sizes.patch // STEP)

    def forward(
        self,
        levels: Float[Tensor, "L B F P D"],
        grid: tuple[int, int],
        fine: Float[Tensor, "B F K h w"] | None = None,
    ) -> tuple[Float[Tensor, "B F H W 3"], Float[Tensor, "B F H W"]]:
        """Points in the reference camera, and confidences above 1. `grid` is rows, columns of patches.

        `fine` are the features of the stem, if the network has one.
        """
        frames, details = levels.flatten(1, 2), None if fine is None else fine.flatten(0, 1)
        chunk = frames.shape[1] if torch.is_grad_enabled() else CHUNK  # gradients keep all features anyway
        parts = [
            self.raw(frames[:, at : at + chunk], grid, None if details is None else details[at : at + chunk])
            for at in range(0, frames.shape[1], chunk)
        ]
        raw = torch.cat(parts).unflatten(0, levels.shape[1:3]).movedim(2, -1)
        points = raw[..., :3].sign() * raw[..., :3].abs().expm1()
        return points, 1.0 + raw[..., 3].exp()

    def raw(
        self, levels: Float[Tensor, "L N P D"], grid: tuple[int, int], fine: Float[Tensor, "N K h w"] | None = None
    ) -> Float[Tensor, "N 4 H W"]:
        """What the last convolution says, before it is read as points and confidences."""
        rows, columns = grid
        features = [self.project(number, level, grid) for number, level in enumerate(levels)]
        if fine is not None:
            features[self.skipped] = features[self.skipped] + self.skip(fine)
        size = rows * self.sizes.patch, columns * self.sizes.patch
        x = functional.interpolate(self.fuse(features), size=size, mode="bilinear", align_corners=True)
        convolution, rectifier, last = cast(nn.Sequential, self.scratch["output_conv2"])
        hidden = rectifier(convolution(add_positions(x, columns / rows)))
        with torch.autocast(hidden.device.type, enabled=False):  # points in half precision are a step of 0.4 % apart
            return last(hidden.to(last.weight.dtype))

    def project(self, number: int, level: Float[Tensor, "N P D"], grid: tuple[int, int]) -> Float[Tensor, "N C h w"]:
        """One level of tokens as features, resized to 4, 2, 1 or 1/2 times the grid."""
        patches = self.norm(level[:, self.sizes.special :]).transpose(1, 2).unflatten(2, grid)
        features = add_positions(self.projects[number](patches), grid[1] / grid[0])
        return self.scratch[f"layer{number + 1}_rn"](self.resize_layers[number](features))

    def fuse(self, features: list[Tensor]) -> Float[Tensor, "N C h w"]:
        """Features of all levels as one, from coarse to fine."""
        fine, x = features[0].shape[2:], None
        for number in (4, 3, 2, 1):
            own = features[number - 1]
            size = features[number - 2].shape[2:] if number > 1 else (2 * fine[0], 2 * fine[1])
            x, finer = (own, None) if x is None else (x, own)
            x = self.scratch[f"refinenet{number}"](x, finer, tuple(size))
        assert x is not None
        return self.scratch["output_conv1"](x)


def _out(features: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(features, HIDDEN, 3, padding=1), nn.ReLU(), nn.Conv2d(HIDDEN, 4, 1))
