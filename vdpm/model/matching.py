"""Which pixel of the target frame shows what a pixel shows: a softmax over all pairs of features.

It rests on the identity of dynamic point maps P_i(t_j)(u) = P_j(t_j)(v) for a pixel u of frame i whose point is seen by
frame j at v. Where it is not seen there, the match is "none".
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from vdpm.model.kept import kept
from vdpm.model.sizes import Sizes
from vdpm.model.stem import STEP

SHARPNESS = 30.0
"""Initial scale of the logits; features have length 1."""
SHARPEST = 100.0
UNLIKE = 0.6
"""Initial likeness below which there is no match."""
REACH = 2.5
"""Features around the best match that have a say in where it is exactly."""


@dataclass(frozen=True, kw_only=True)
class Match:
    """What a matching layer says of some frames: n features each, and none as one more choice."""

    logits: Float[Tensor, "B F n n_plus_1"]
    near: Float[Tensor, "B F n n"]
    """Weights of the features of the target frame near the best one, of sum 1: they say where the match is."""
    place: Float[Tensor, "B F n 2"]
    """Where the match is in the target frame: pixels (u, v), the first centre at 0.5."""
    found: Float[Tensor, "B F n"]
    """Probability that there is one."""

    def detached(self) -> "Match":
        """Without gradients: matches are taught by correspondences, not by what is made of them."""
        return Match(**{name: value.detach() for name, value in vars(self).items()})


class Matching(nn.Module):
    """Features to match by, from the stem and the tokens of the last level."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.special = sizes.special
        self.norm = nn.LayerNorm(2 * sizes.width)
        self.tokens = nn.Linear(2 * sizes.width, sizes.matching)
        nn.init.zeros_(self.tokens.weight)  # what looks alike matches at first
        self.fine = nn.Conv2d(sizes.stem, sizes.matching, 3, padding=1)
        self.mix = nn.Conv2d(sizes.matching, sizes.matching, 3, padding=1)
        self.none = nn.Linear(sizes.matching, 1)
        """How alike the best pair has to be, from -1 to 1."""
        nn.init.constant_(self.none.bias, UNLIKE)
        self.sharpness = nn.Parameter(torch.tensor([math.log(SHARPNESS)]))

    def features(
        self, level: Float[Tensor, "B S P D"], fine: Float[Tensor, "B S K h w"], grid: tuple[int, int]
    ) -> Float[Tensor, "B S C h w"]:
        """Of all frames."""
        patches = self.tokens(self.norm(level[:, :, self.special :])).flatten(0, 1).transpose(1, 2).unflatten(2, grid)
        x = functional.interpolate(patches, size=fine.shape[-2:], mode="bilinear") + self.fine(fine.flatten(0, 1))
        return (x + self.mix(functional.gelu(x))).unflatten(0, fine.shape[:2])

    def forward(self, source: Float[Tensor, "B F C h w"], target: Float[Tensor, "B C h w"]) -> Match:
        """Frames matched with one target frame, in single precision."""
        with torch.autocast(source.device.type, enabled=False):
            query = source.flatten(3).transpose(2, 3).to(self.none.weight.dtype)
            key = functional.normalize(target.flatten(2).to(query.dtype), dim=1)[:, None]
            scale = self.sharpness.exp().clamp(max=SHARPEST)
            query = functional.normalize(query, dim=-1)
            return self._match(scale * query @ key, scale * self.none(query), target.shape[-1])

    def _match(self, pairs: Float[Tensor, "B F n n"], none: Float[Tensor, "B F n 1"], columns: int) -> Match:
        logits = torch.cat((pairs, none), dim=-1)
        places = centres(pairs.shape[-1] // columns, columns, pairs.device)
        best = places[pairs.argmax(-1)]
        apart = torch.cdist(best.flatten(0, 2), places).view(pairs.shape)
        near = pairs.masked_fill(apart > REACH * STEP, -math.inf).softmax(-1)
        return Match(
            logits=logits, near=near, place=near @ places.to(near.dtype), found=1.0 - logits.softmax(-1)[..., -1]
        )


@kept
def centres(rows: int, columns: int, device: torch.device) -> Float[Tensor, "n 2"]:
    """Pixels (u, v) that features stand for, row by row."""
    v, u = torch.meshgrid(torch.arange(rows, device=device), torch.arange(columns, device=device), indexing="ij")
    return STEP * torch.stack((u, v), dim=-1).flatten(0, 1).float() + STEP // 2 + 0.5
