"""How far the points of a frame move to the time of another: the two ends of a match, weighed by a network.

The ends of a match say where a point is at both times, across the line of sight to a fraction of a pixel, along it only as
well as depth is known. So the network gates both parts, for each pixel, after the error of cameras was taken out
(`vdpm.model.ego`), beside what the rest of the same thing says (`vdpm.model.lend`). Motions are in units of the distance
and in the axes of the target camera until the end. Before anything is learnt, a point is where its match is across the
line of sight, and hardly nearer or farther than it was.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from vdpm.model.drawn import drawn
from vdpm.model.ego import camera_part
from vdpm.model.ends import Ends
from vdpm.model.lend import Lend, Loan
from vdpm.model.matching import Match
from vdpm.model.refine import image, unit
from vdpm.model.sizes import Sizes
from vdpm.model.stem import STEP, centres

HIDDEN = 96
GATES = (0.5, -3.0, -0.5, -3.0, -1.5)
"""Initial biases of the gates of motions across and along the line of sight: those of the pixel, those lent to it, and the
one along it that its growth tells."""
RESTING = 0.003
"""Radians: what moves by so much in the first answer has half of its say in the second."""
LOUD = 10.0
"""Motions are small; this brings them near 1."""


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
        self.clues = nn.Conv2d(13, HIDDEN, 3, padding=1)
        self.first, self.second = (unit(HIDDEN, dilation) for dilation in (1, 2))
        self.lend = Lend(HIDDEN)
        self.lent = nn.Conv2d(6, HIDDEN, 3, padding=1)
        self.third = unit(HIDDEN, 1)
        self.gates = nn.Conv2d(HIDDEN, len(GATES), 1)
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
        """Displacements and the logarithms of their confidence. Tokens come from the decoder.

        A network that has learnt answers twice: what it says moves has hardly a say in what the error of cameras is then.
        """
        size, likely = (fine.shape[-2], fine.shape[-1]), match.found * match.back
        look = self._look(tokens, fine, grid)
        answer, x = self._answer(match, ends, own(ends, likely), look, size)
        if not self.training:
            moved = answer[:, :3].norm(dim=1).view_as(likely)
            still = likely / (1.0 + (moved / RESTING).square())
            answer, x = self._answer(match, ends, own(ends, still), look, size)
        full = _finer(answer, self.finer(x).float()).unflatten(0, fine.shape[:2]).movedim(2, -1)
        moved = (ends.distance * full[..., :3])[..., None, :] * ends.turn[:, None, None, None]
        return moved.sum(-1), full[..., 3]

    def _answer(
        self,
        match: Match,
        ends: Ends,
        moves: tuple[Float[Tensor, "B F n 3"], Float[Tensor, "B F n 1"]],
        look: Float[Tensor, "N C h w"],
        size: tuple[int, int],
    ) -> tuple[Float[Tensor, "N 4 h w"], Float[Tensor, "N C h w"]]:
        """Motions and confidence at features, and what was made of them."""
        (across, along), likely = moves, match.found * match.back
        x = look + self.clues(image(_clues(match, ends, torch.cat(moves, dim=-1), size), size))
        x = x + self.second(x + self.first(x))
        sight = ends.start / ends.far
        with torch.autocast(x.device.type, enabled=False):  # sums of squares need all digits
            loan = self.lend(x.float(), *(part.flatten(0, 1) for part in (sight, across, along, likely)))
        x = x + self.third(x + self.lent(_loud(loan, size)))
        rest = self.rest(x).float()
        gates = self.gates(x).float().sigmoid()
        step = (gates[:, :, None] * _choices(across, along, sight, loan, size)).sum(1) + rest[:, :3]
        return torch.cat((step, rest[:, 3:]), dim=1), x

    def _look(self, tokens: Tensor, fine: Tensor, grid: tuple[int, int]) -> Float[Tensor, "N C h w"]:
        """What is known of features without their matches."""
        patches = self.tokens(self.norm(tokens[:, :, self.special :])).flatten(0, 1).transpose(1, 2).unflatten(2, grid)
        patches = functional.interpolate(patches, size=(fine.shape[-2], fine.shape[-1]), mode="bilinear")
        return patches + self.fine(fine.flatten(0, 1))


def _clues(match: Match, ends: Ends, moves: Tensor, size: tuple[int, int]) -> Float[Tensor, "B F n 13"]:
    """What a convolution is told of matches and their ends."""
    flow = (match.place - centres(*size, moves.device).to(match.place.dtype)) / (STEP * size[1])
    sure = torch.stack((match.found, match.sharp, match.back), dim=-1)
    return torch.cat((flow, sure, ends.start, ends.reach, LOUD * moves), dim=-1)


def own(ends: Ends, likely: Float[Tensor, "B F n"]) -> tuple[Float[Tensor, "B F n 3"], Float[Tensor, "B F n 1"]]:
    """Motions across the line of sight and how much farther points get, without what the error of cameras explains."""
    with torch.autocast(likely.device.type, enabled=False):  # normal equations need all digits
        sideways, forward = camera_part(ends.start, ends.across, ends.along, likely)
    farther = ((ends.along - forward) * ends.start).sum(-1, keepdim=True) / ends.far
    return (ends.across - sideways) / ends.far, farther / ends.far


def _loud(loan: Loan, size: tuple[int, int]) -> Float[Tensor, "N 6 h w"]:
    """What a convolution is told of a loan."""
    parts = (loan.across, loan.along, loan.nearer, loan.doubt)
    return LOUD * torch.cat(parts, dim=-1).transpose(1, 2).unflatten(2, size)


def _choices(
    across: Tensor, along: Tensor, sight: Tensor, loan: Loan, size: tuple[int, int]
) -> Float[Tensor, "N 5 3 h w"]:
    """What the gates choose from."""
    across, along, sight = (part.flatten(0, 1) for part in (across, along, sight))
    ray, lent = functional.normalize(sight + across, dim=-1), functional.normalize(sight + loan.across, dim=-1)
    choices = (across, along * ray, loan.across, loan.along * lent, loan.nearer * lent)
    return torch.stack(choices, dim=1).transpose(2, 3).unflatten(3, size)


def _finer(x: Float[Tensor, "N C h w"], logits: Float[Tensor, "N K h w"]) -> Float[Tensor, "N C H W"]:
    """Four times the resolution: each pixel a convex sum of the nine features around it (RAFT, Teed and Deng 2020)."""
    weights = logits.unflatten(1, (1, 9, STEP, STEP)).softmax(dim=2)
    around = functional.unfold(functional.pad(x, (1, 1, 1, 1), mode="replicate"), 3)
    around = around.view(len(x), x.shape[1], 9, 1, 1, *x.shape[2:])
    fine = (weights * around).sum(2)
    return fine.permute(0, 1, 4, 2, 5, 3).flatten(4, 5).flatten(2, 3)
