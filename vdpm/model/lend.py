"""What looks and lies alike moves alike: matches of a whole thing speak for each of its pixels, seen or hidden.

For every feature, a plane is fitted through the motions of all others, which count by a learnt affinity and least where
they disagree with the rest (after the dense motion of RAFT-3D, Teed and Deng 2021, but of first order). A thing that comes
nearer grows: the plane's slope says how much (optical expansion, Yang and Ramanan 2020).
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from vdpm.model.stem import STEP, centres

AFFINITY = 32
SPREAD = 3.0
"""Features: how far motion is lent at first."""
STIFFNESS = 0.03
"""Radians: a thing of this size has half of its slope believed at first."""
SLACKS = 0.04, 0.02, 0.01
"""Radians: what is farther off than that from the plane counts less than half; round by round. 0.01 is a pixel or two."""
RARE = 1e-4
"""Weight of what has no match."""
GROWTH = 0.6, 1.7
"""A thing is not taken to shrink or grow beyond that."""


@dataclass(frozen=True, kw_only=True)
class Loan:
    """What others say of each feature, in units of its distance."""

    across: Float[Tensor, "N n 3"]
    along: Float[Tensor, "N n 1"]
    nearer: Float[Tensor, "N n 1"]
    """How much farther it gets, by how much its surroundings shrink."""
    doubt: Float[Tensor, "N n 1"]
    """Root of the mean squared distance of motions from the plane, those that disagree counting less: radians."""


class Lend(nn.Module):
    """Learns who is alike."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.affinity = nn.Linear(channels, 2 * AFFINITY)
        self.spread = nn.Parameter(torch.tensor([math.log(SPREAD)]))
        self.stiffness = nn.Parameter(torch.tensor([math.log(STIFFNESS)]))

    def forward(
        self,
        x: Float[Tensor, "N C h w"],
        sight: Float[Tensor, "N n 3"],
        across: Float[Tensor, "N n 3"],
        along: Float[Tensor, "N n 1"],
        found: Float[Tensor, "N n"],
    ) -> Loan:
        """Features of frames; directions to their points, of length 1; motions in units of distance; likely matches."""
        size, place = (x.shape[-2], x.shape[-1]), sight[..., :2]
        query, key = self.affinity(x.flatten(2).transpose(1, 2)).float().chunk(2, dim=-1)
        logits = query @ key.transpose(1, 2) / AFFINITY**0.5 - self._apart(size, x.device)
        logits = logits + found.clamp(min=RARE).log()[:, None]
        moved, soft = torch.cat((across, along), dim=-1), (2.0 * self.stiffness).exp()
        apart = _disagreement(logits.detach(), place, across, soft.detach())
        weights = (logits - apart.log1p()).softmax(-1)
        level, slope = _plane(weights, place, moved, soft)
        level = level + (place[..., None, :] @ slope)[..., 0, :]
        grown = (1.0 + slope[..., 0, 0]) * (1.0 + slope[..., 1, 1]) - slope[..., 0, 1] * slope[..., 1, 0]
        nearer = grown.clamp(GROWTH[0] ** 2, GROWTH[1] ** 2).rsqrt() - 1.0
        doubt = (weights.detach() * apart).sum(-1, keepdim=True).clamp(min=1e-8).sqrt() * SLACKS[-1]
        return Loan(across=level[..., :3], along=level[..., 3:], nearer=nearer[..., None], doubt=doubt)

    def _apart(self, size: tuple[int, int], device: torch.device) -> Float[Tensor, "n n"]:
        places = centres(*size, device) / STEP
        return torch.cdist(places, places).square() / (2.0 * (2.0 * self.spread).exp())


@torch.no_grad()
def _disagreement(
    logits: Float[Tensor, "N n n"],
    place: Float[Tensor, "N n 2"],
    moved: Float[Tensor, "N n 3"],
    soft: Float[Tensor, "1"],
) -> Float[Tensor, "N n n"]:
    """Squared distance of the motion of one feature from the plane of another, in slacks; by least squares re-weighted after
    Cauchy: what is so far off counts 1 / (1 + distance)."""
    apart = torch.zeros_like(logits)
    for slack in SLACKS:
        level, slope = _plane((logits - apart.log1p()).softmax(-1), place, moved, soft)
        apart = _off(level, slope, place, moved).div_(slack**2)
    return apart


def _plane(
    weights: Float[Tensor, "N n n"],
    place: Float[Tensor, "N n 2"],
    moved: Float[Tensor, "N n K"],
    soft: Float[Tensor, "1"],
) -> tuple[Float[Tensor, "N n K"], Float[Tensor, "N n 2 K"]]:
    """Level at the origin and slope of the plane of each feature: weights of all others add up to 1."""
    square, mixed = place[..., :, None] * place[..., None, :], place[..., :, None] * moved[..., None, :]
    sums = weights @ torch.cat((place, moved, square.flatten(2), mixed.flatten(2)), dim=-1)
    middle, mean, square, mixed = sums.split((2, moved.shape[-1], 4, 2 * moved.shape[-1]), dim=-1)
    (a, b), (_, d) = (row.unbind(-1) for row in (square.unflatten(-1, (2, 2)) - _outer(middle, middle)).unbind(-2))
    a, d = a + soft, d + soft
    first, second = (mixed.unflatten(-1, (2, -1)) - _outer(middle, mean)).unbind(-2)
    a, b, d = (part[..., None] for part in (a, b, d))
    slope = torch.stack((d * first - b * second, a * second - b * first), dim=-2) / (a * d - b * b)[..., None]
    return mean - (middle[..., None, :] @ slope)[..., 0, :], slope


def _outer(one: Tensor, other: Tensor) -> Tensor:
    return one[..., :, None] * other[..., None, :]


def _off(
    level: Float[Tensor, "N n 3"],
    slope: Float[Tensor, "N n 2 3"],
    place: Float[Tensor, "N n 2"],
    moved: Float[Tensor, "N n 3"],
) -> Float[Tensor, "N n n"]:
    """Squared distance of each motion (columns) from the plane of each feature (rows): one product of matrices."""
    plane = torch.cat((level[..., None, :], slope), dim=-2)
    square = plane @ plane.transpose(-1, -2)
    one = functional.pad(place, (1, 0), value=1.0)
    rows = torch.cat((square.flatten(-2), -2.0 * plane.flatten(-2), torch.ones_like(level[..., :1])), dim=-1)
    mixed, length = _outer(one, moved).flatten(-2), moved.square().sum(-1, keepdim=True)
    columns = torch.cat((_outer(one, one).flatten(-2), mixed, length), dim=-1)
    return (rows @ columns.transpose(-1, -2)).clamp_(min=0.0)
