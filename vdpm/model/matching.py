"""Which pixel of the target frame shows what a pixel shows: a softmax over all pairs of features, learnt and not.

It rests on the identity of dynamic point maps P_i(t_j)(u) = P_j(t_j)(v) for a pixel u of frame i whose point is seen by
frame j at v. Where it is not seen there, the match is "none".
"""

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from vdpm.model.patches import KEYS, around, placed
from vdpm.model.refine import Refine
from vdpm.model.sizes import Sizes
from vdpm.model.stem import STEP, centres

SHARPNESS = 15.0
"""Initial scale of the logits; features have length 1."""
SHARPEST = 100.0
UNLIKE = 1.6
"""Initial threshold, in units of the sharpness: below it there is no match."""
PATCH_WEIGHT = 16.0
LIKELY, MARGIN = 0.1, 16.0
"""A match near the one expected is taken if that is so likely, and its logit is at most so much below the best."""
REACH = 2
"""Places to each side of the best one that have a say in where the match is exactly."""


@dataclass(frozen=True, kw_only=True)
class Match:
    """What a matching layer says of some frames: n features each, and none as one more choice."""

    logits: Float[Tensor, "B F n n_plus_1"]
    places: tuple[Float[Tensor, "B F n 2"], ...]
    """Where the match is in the target frame, by the logits and after each round of refinement: pixels (u, v), the first
    centre at 0.5."""
    found: Float[Tensor, "B F n"]
    """Probability that there is one."""
    sharp: Float[Tensor, "B F n"]
    """Largest weight that the softmax gives to one feature near the best one."""
    back: Float[Tensor, "B F n"]
    """1 if the match of the match is the feature itself, less the farther off it is."""

    @property
    def place(self) -> Float[Tensor, "B F n 2"]:
        """The last word on where the match is."""
        return self.places[-1]

    def detached(self) -> "Match":
        """Without gradients: matches are taught by correspondences, not by what is made of them."""
        return Match(
            logits=self.logits.detach(),
            places=(self.place.detach(),),
            found=self.found.detach(),
            sharp=self.sharp.detach(),
            back=self.back.detach(),
        )


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
        """How alike the best pair has to be, in units of the sharpness."""
        nn.init.constant_(self.none.bias, UNLIKE)
        self.patches = nn.Parameter(torch.tensor([PATCH_WEIGHT]))
        """How much the correlation of patches counts."""
        self.refine = Refine(sizes)
        self.sharpness = nn.Parameter(torch.tensor([math.log(SHARPNESS)]))

    def features(
        self, level: Float[Tensor, "B S P D"], fine: Float[Tensor, "B S K h w"], grid: tuple[int, int]
    ) -> Float[Tensor, "B S C h w"]:
        """Of all frames."""
        patches = self.tokens(self.norm(level[:, :, self.special :])).flatten(0, 1).transpose(1, 2).unflatten(2, grid)
        x = functional.interpolate(patches, size=fine.shape[-2:], mode="bilinear") + self.fine(fine.flatten(0, 1))
        return (x + self.mix(functional.gelu(x))).unflatten(0, fine.shape[:2])

    def forward(
        self,
        source: Float[Tensor, "B F C h w"],
        target: Float[Tensor, "B C h w"],
        fine: Float[Tensor, "B F K h w"],
        patches: Float[Tensor, "B F n 4 n"],
        start: tuple[Float[Tensor, "B F n 2"], Float[Tensor, "B F n"]] | None = None,
    ) -> Match:
        """Frames matched with one target frame. `fine` are the features of the stem of the former, `patches` how alike
        they look (`vdpm.model.patches`); `start` says where to look first, and how likely that is near."""
        size = target.shape[-2], target.shape[-1]
        with torch.autocast(source.device.type, enabled=False):
            query = functional.normalize(source.flatten(3).transpose(2, 3).to(self.none.weight.dtype), dim=-1)
            key = functional.normalize(target.flatten(2).to(query.dtype), dim=1)[:, None]
            scale = self.sharpness.exp().clamp(max=SHARPEST)
            learnt = scale * query @ key
            logits = torch.cat((learnt + self.patches * patches.amax(dim=3), scale * self.none(query)), dim=-1)
            exact = torch.addcmul(learnt.detach()[..., None, :], self.patches.detach(), patches)
        best = placed(exact.flatten(3).argmax(-1), size)
        if start is None:
            match = softest(logits, exact, best, size)
        else:
            best, share = guided(exact, best, *start, size)
            match = softest(logits, exact, best, size)
            match = replace(match, found=match.found.maximum(share), back=match.back.maximum(share))
        sure = torch.stack((match.found, match.sharp, match.back), dim=-1)
        return replace(match, places=(*match.places, *self.refine(exact, match.place, sure, fine)))


@torch.no_grad()
def softest(
    logits: Float[Tensor, "B F n n_plus_1"],
    exact: Float[Tensor, "B F n 4 n"],
    best: Int64[Tensor, "B F n 2"],
    size: tuple[int, int],
) -> Match:
    """Matches by the best of all places, and by the mean of those around it. Only logits have gradients."""
    weights = around(exact, best, size, REACH).softmax(-1)
    side = torch.arange(-REACH, REACH + 1, device=best.device, dtype=weights.dtype)
    offset = torch.stack(torch.meshgrid(side, side, indexing="xy"), dim=-1).flatten(0, 1)
    place = KEYS * (best.flip(-1) + weights @ offset) + KEYS // 2 + 0.5
    found = 1.0 - (logits[..., -1] - logits.logsumexp(-1)).exp()
    back = returned(logits[..., :-1], best, size)
    return Match(logits=logits, places=(place,), found=found, sharp=weights.max(dim=-1).values, back=back)


def guided(
    exact: Float[Tensor, "B F n 4 n"],
    best: Int64[Tensor, "B F n 2"],
    start: Float[Tensor, "B F n 2"],
    share: Float[Tensor, "B F n"],
    size: tuple[int, int],
) -> tuple[Int64[Tensor, "B F n 2"], Float[Tensor, "B F n"]]:
    """The best place of all, or the best one near a start that is likely and where things are nearly as alike; and how
    likely a start that was followed is."""
    last = best.new_tensor([2 * size[0] - 1, 2 * size[1] - 1])
    middle = (start / KEYS).long().flip(-1).maximum(torch.zeros_like(last)).minimum(last)
    likeness, index = around(exact, middle, size, REACH).max(dim=-1)
    side = 2 * REACH + 1
    step = torch.stack((index // side, index % side), dim=-1) - REACH
    near = (middle + step).maximum(torch.zeros_like(last)).minimum(last)
    most = around(exact, best, size, 0)[..., 0]
    follow = (share > LIKELY) & (likeness > most - MARGIN)
    return torch.where(follow[..., None], near, best), follow * share


def returned(
    logits: Float[Tensor, "B F n n"], best: Int64[Tensor, "B F n 2"], size: tuple[int, int]
) -> Float[Tensor, "B F n"]:
    """How near to a feature that one is which its match is matched with in turn."""
    matched = best[..., 0] // 2 * size[1] + best[..., 1] // 2  # GPUs have no products of matrices of integers
    home = centres(*size, logits.device) / STEP
    there = home[logits.argmax(dim=-2).gather(-1, matched)]
    return (-(there - home).norm(dim=-1) / REACH).exp()
