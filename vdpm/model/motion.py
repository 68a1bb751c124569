"""How far the points of a frame move to the time of another: the two ends of a match, weighed by a network.

The ends of a match say where a point is at both times, across the line of sight to a fraction of a pixel, along it only as
well as depth is known. So the network gates both parts, for each pixel, after the error of cameras was taken out
(`vdpm.model.ego`); what of the frame looks and lies alike lends its motion to what is hidden at the target time. Before
anything is learnt, a point is where its match is across the line of sight, and no nearer or farther than it was.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from vdpm.model.drawn import drawn
from vdpm.model.ego import camera_part
from vdpm.model.matching import Match
from vdpm.model.refine import image, unit
from vdpm.model.sizes import Sizes
from vdpm.model.stem import STEP, centres

HIDDEN = 96
GATES = (1.5, -3.0, -1.5, -3.0)
"""Initial biases of the gates of displacements across and along the line of sight: those of the pixel, those lent to it."""
AFFINITY = 32
SPREAD = 3.0
"""Features: how far motion is lent at first."""


@dataclass(frozen=True, kw_only=True)
class Ends:
    """Points at the pixels that features stand for, of the frames asked for and of the target frame."""

    here: Float[Tensor, "B F n 3"]
    target: Float[Tensor, "B n 3"]
    centre: Float[Tensor, "B 3"]
    """Of the camera of the target frame. All in the reference camera."""


def steps(match: Match, ends: Ends, size: tuple[int, int]) -> tuple[Float[Tensor, "B F n 3"], Float[Tensor, "B F n 3"]]:
    """Displacements to the matches: across the line of sight of the target camera, and along it."""
    seen = ends.target - ends.centre[:, None]
    depth = seen.norm(dim=-1, keepdim=True).clamp(min=1e-6)
    found = match.read(torch.cat((seen / depth, depth), dim=-1), size)
    ray = functional.normalize(found[..., :3], dim=-1)
    start = ends.here - ends.centre[:, None, None]
    distance = start.norm(dim=-1, keepdim=True)
    return distance * ray - start, (found[..., 3:] - distance) * ray


class Motion(nn.Module):
    """Displacements of all pixels of some frames to the time of a target frame."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.special = sizes.special
        self.marker = drawn(0.02, 2 * sizes.width)
        """Tells the decoder which tokens are those of the target frame."""
        self.norm = nn.LayerNorm(2 * sizes.width)
        self.tokens = nn.Linear(2 * sizes.width, HIDDEN)
        self.fine = nn.Conv2d(sizes.stem, HIDDEN, 1)
        self.clues = nn.Conv2d(17, HIDDEN, 3, padding=1)
        self.first, self.second = (unit(HIDDEN, dilation) for dilation in (1, 2))
        self.affinity = nn.Linear(HIDDEN, 2 * AFFINITY)
        self.spread = nn.Parameter(torch.tensor([math.log(SPREAD)]))
        self.lent = nn.Conv2d(6, HIDDEN, 3, padding=1)
        self.third = unit(HIDDEN, 1)
        self.gates = nn.Conv2d(HIDDEN, 4, 1)
        self.rest = nn.Conv2d(HIDDEN, 4, 1)
        self.finer = nn.Conv2d(HIDDEN, 9 * STEP * STEP, 1)
        self.reset()

    def reset(self) -> None:
        """Gates that are the same everywhere, and nothing beside what they let through."""
        for layer, bias in ((self.gates, GATES), (self.rest, (0.0,) * 4)):
            nn.init.zeros_(layer.weight)
            layer.bias = nn.Parameter(torch.tensor(bias))

    def forward(
        self,
        match: Match,
        ends: Ends,
        tokens: Float[Tensor, "B F P D"],
        fine: Float[Tensor, "B F K h w"],
        grid: tuple[int, int],
    ) -> tuple[Float[Tensor, "B F H W 3"], Float[Tensor, "B F H W"]]:
        """Displacements and the logarithms of their confidence. Tokens come from the decoder."""
        size = fine.shape[-2], fine.shape[-1]
        moves = self._moves(match, ends, size)
        x = self._features(match, ends, moves, tokens, fine, grid)
        x = x + self.second(x + self.first(x))
        lent = self._lend(x, moves, (match.found * match.back).flatten(0, 1), size)
        x = x + self.third(x + self.lent(lent))
        candidates = torch.cat((image(moves, size), lent), dim=1).unflatten(1, (4, 3)).float()
        rest = self.rest(x).float()
        step = (self.gates(x).float().sigmoid()[:, :, None] * candidates).sum(1) + rest[:, :3]
        full = _finer(torch.cat((step, rest[:, 3:]), dim=1), self.finer(x).float())
        full = full.unflatten(0, fine.shape[:2]).movedim(2, -1)
        return full[..., :3], full[..., 3]

    def _moves(self, match: Match, ends: Ends, size: tuple[int, int]) -> Float[Tensor, "B F n 6"]:
        """Steps across and along, without what the error of cameras explains."""
        across, along = steps(match, ends, size)
        seen = ends.here - ends.centre[:, None, None]
        with torch.autocast(seen.device.type, enabled=False):  # normal equations need all digits
            sideways, forward = camera_part(seen, across, along, match.found * match.back)
        return torch.cat((across - sideways, along - forward), dim=-1)

    def _features(self, match: Match, ends: Ends, moves: Tensor, tokens: Tensor, fine: Tensor, grid: tuple[int, int]):
        size = fine.shape[-2], fine.shape[-1]
        flow = (match.place - centres(*size, fine.device).to(match.place.dtype)) / (STEP * size[1])
        sure = torch.stack((match.found, match.sharp, match.back), dim=-1)
        loud = 10.0 * torch.cat((moves, moves[..., :3] + moves[..., 3:]), dim=-1)
        raw = torch.cat((flow, sure, ends.here, loud), dim=-1)
        patches = self.tokens(self.norm(tokens[:, :, self.special :])).flatten(0, 1).transpose(1, 2).unflatten(2, grid)
        patches = functional.interpolate(patches, size=size, mode="bilinear")
        return patches + self.fine(fine.flatten(0, 1)) + self.clues(image(raw, size))

    def _lend(self, x: Tensor, moves: Tensor, found: Tensor, size: tuple[int, int]) -> Float[Tensor, "N 6 h w"]:
        """Mean of the steps of what is alike and near in the same frame, of what has a match above all."""
        query, key = self.affinity(x.flatten(2).transpose(1, 2)).float().chunk(2, dim=-1)
        places = centres(*size, x.device) / STEP
        apart = torch.cdist(places, places).square() / (2.0 * (2.0 * self.spread).exp())
        logits = query @ key.transpose(1, 2) / AFFINITY**0.5 - apart + found.clamp(min=1e-4).log()[:, None]
        mean = logits.softmax(-1) @ moves.flatten(0, 1).to(logits.dtype)
        return mean.transpose(1, 2).unflatten(2, size)


def _finer(x: Float[Tensor, "N C h w"], logits: Float[Tensor, "N K h w"]) -> Float[Tensor, "N C H W"]:
    """Four times the resolution: each pixel a convex sum of the nine features around it (RAFT, Teed and Deng 2020)."""
    weights = logits.unflatten(1, (1, 9, STEP, STEP)).softmax(dim=2)
    around = functional.unfold(functional.pad(x, (1, 1, 1, 1), mode="replicate"), 3)
    around = around.view(len(x), x.shape[1], 9, 1, 1, *x.shape[2:])
    fine = (weights * around).sum(2)
    return fine.permute(0, 1, 4, 2, 5, 3).flatten(4, 5).flatten(2, 3)
