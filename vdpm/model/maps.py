"""Sines and cosines of where a pixel is, which the point head adds to its features."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from vdpm.model.kept import kept

LONGEST = 100.0
STRENGTH = 0.1


def add_positions(x: Float[Tensor, "N C h w"], aspect: float) -> Float[Tensor, "N C h w"]:
    """Features plus their position map: half of the channels tells columns, half tells rows.

    `aspect` is the width of the image over its height, which is not quite that of small features.
    """
    channels, height, width = x.shape[1:]
    across, down = axes(channels // 2, height, width, aspect, x.device)
    table = torch.cat((across[:, None, :].expand(-1, height, -1), down[:, :, None].expand(-1, -1, width)))
    return x + table.to(x.dtype).contiguous(memory_format=torch.preserve_format)


@kept
def axes(
    channels: int, height: int, width: int, aspect: float, device: torch.device
) -> tuple[Float[Tensor, "C w"], Float[Tensor, "C h"]]:
    """The two tables; pixel centres lie in a rectangle of the given aspect whose half diagonal is 1."""
    diagonal = math.hypot(aspect, 1.0)
    return (
        _table(channels, width, aspect / diagonal, device),
        _table(channels, height, 1.0 / diagonal, device),
    )


def _table(channels: int, steps: int, span: float, device: torch.device) -> Float[Tensor, "C n"]:
    end = span * (steps - 1) / steps
    place = torch.linspace(-end, end, steps, dtype=torch.float32, device=device)
    precise = torch.float32 if device.type == "mps" else torch.float64
    exponent = torch.arange(channels // 2, dtype=precise, device=device) / (channels / 2)
    angle = place.to(precise) * (1.0 / LONGEST**exponent)[:, None]
    return STRENGTH * torch.cat((angle.sin(), angle.cos())).float()
