"""The V-DPM network: images to point maps at any of their times, and cameras."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, Int64
from torch import Tensor, nn

from vdpm.model.backbone import Backbone
from vdpm.model.camera_head import CameraHead
from vdpm.model.chain import Links
from vdpm.model.decoder import Decoder
from vdpm.model.ends import ends
from vdpm.model.matching import Match, Matching
from vdpm.model.motion import Motion
from vdpm.model.patches import alike
from vdpm.model.point_head import PointHead
from vdpm.model.sizes import CAMERA, TIME, Sizes
from vdpm.model.stem import Stem

Grid = tuple[int, int]
Levels = Float[Tensor, "L B S P D"]
Maps = tuple[Float[Tensor, "B S H W 3"], Float[Tensor, "B S H W"]]
"""Points in the reference camera and confidences above 1."""


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """Images after the backbone: all that the rest of the network reads."""

    levels: Levels
    fine: Float[Tensor, "B S K h w"] | None
    """Features of the stem; None for a network without one."""
    images: Float[Tensor, "B S 3 H W"] | None
    """For a network that matches; None for others."""
    grid: Grid


@dataclass(frozen=True, kw_only=True)
class Answer:
    """All that the network says of a batch of windows with one target time each: what is trained."""

    here: Maps
    there: Maps
    poses: list[Float[Tensor, "B S 9"]]
    """Step by step."""
    match: Match | None
    sources: Int64[Tensor, "B F"] | None
    """Frames that were matched with the target frame: all others."""


class Network(nn.Module):
    """V-DPM (arXiv 2601.09499). Letters: B videos, S frames, L = 4 levels, P tokens a frame of D channels.

    Names of the parts are those of the published weights. A stem and the matching of frames are no part of V-DPM: `Sizes`
    says whether they are there.
    """

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.licence = ""
        """Of the weights, if they came with one."""
        self.aggregator = Backbone(sizes)
        self.decoder = Decoder(sizes)
        self.point_head = PointHead(sizes)
        self.camera_head = CameraHead(sizes)
        if sizes.stem:
            self.stem = Stem(sizes.stem)
        if sizes.matching:
            self.matching, self.motion = Matching(sizes), Motion(sizes)

    def forward(
        self, images: Float[Tensor, "B S 3 H W"], times: Int[Tensor, "B S"]
    ) -> tuple[Maps, Maps, list[Float[Tensor, "B S 9"]]]:
        """P, then Q with a target time for each frame, then pose encodings step by step."""
        encoded = self.encode(images)
        moved = self.decoder(encoded.levels, self.conditions(encoded.levels, times), encoded.grid)
        return self.here(encoded), self.point_head(moved, encoded.grid, encoded.fine), self.poses(encoded.levels)

    def answer(
        self, images: Float[Tensor, "B S 3 H W"], target: Int[Tensor, " B"], *, half_heads: bool = False
    ) -> Answer:
        """P, Q at one target time for each window, pose encodings, and the match that Q rests on.

        Under autocast the point head is in single precision, as V-DPM's is, unless `half_heads`.
        """
        device, encoded = images.device.type, self.encode(images)
        half = half_heads and torch.is_autocast_enabled(device)
        with torch.autocast(device, enabled=half):
            here = self.here(encoded)
        with torch.autocast(device, enabled=False):
            found = self.poses(encoded.levels)
        if self.sizes.matching:
            sources = others(images.shape[1], target)
            carried, match = self.carried(encoded, here, found[-1], target, sources)
            place = torch.arange(len(target), device=target.device)[:, None], sources
            points, sure = (own.index_put(place, new.to(own.dtype)) for own, new in zip(here, carried, strict=True))
            return Answer(here=here, there=(points, sure), poses=found, match=match, sources=sources)
        moved = self.decoder(encoded.levels, self.conditions(encoded.levels, target[:, None]), encoded.grid)
        with torch.autocast(device, enabled=half):
            there = self.point_head(moved, encoded.grid, encoded.fine)
        return Answer(here=here, there=there, poses=found, match=None, sources=None)

    def encode(self, images: Float[Tensor, "B S 3 H W"]) -> Encoded:
        """The backbone."""
        fine = self.stem(images) if self.sizes.stem else None
        kept = images if self.sizes.matching else None
        return Encoded(levels=self.aggregator(images, fine), fine=fine, images=kept, grid=self.grid(*images.shape[-2:]))

    def here(self, encoded: Encoded, frames: list[int] | None = None) -> Maps:
        """P of all frames, or of some."""
        fine = encoded.fine
        if frames is None:
            return self.point_head(encoded.levels, encoded.grid, fine)
        return self.point_head(encoded.levels[:, :, frames], encoded.grid, None if fine is None else fine[:, frames])

    def carried(
        self,
        encoded: Encoded,
        here: Maps,
        cameras: Float[Tensor, "B S 9"],
        target: Int[Tensor, " B"],
        sources: Int64[Tensor, "B F"],
        links: Links | None = None,
    ) -> tuple[tuple[Float[Tensor, "B F H W 3"], Float[Tensor, "B F H W"]], Match]:
        """Q of some frames, as P plus how far matching says it moves: not at all at their own time.

        The links of a video, whose frames come in order, say where to look first; all targets are the same then.
        """
        assert encoded.fine is not None and encoded.images is not None
        one = torch.arange(len(target), device=target.device)
        asked = one[:, None], sources
        features = self.matching.features(encoded.levels[-1], encoded.fine, encoded.grid)
        looks = alike(encoded.images[asked], encoded.images[one, target])
        expected = None if links is None else tuple(chain[asked] for chain in links.leading_to(int(target[0])))
        match = self.matching(features[asked], features[one, target], encoded.fine[asked], looks, expected)
        place, kind = match.place.detach(), match.place.dtype
        with torch.autocast(place.device.type, enabled=False):
            both = ends(here[0].detach().to(kind), cameras.detach().to(kind), place, sources, target)
        tokens = self._told(encoded, target)[asked]
        step, sure = self.motion(match.detached(), both, tokens, encoded.fine[asked], encoded.grid)
        elsewhen = (sources != target[:, None])[..., None, None, None]
        return (here[0][asked] + elsewhen * step, 1.0 + sure.exp()), match

    def links(self, encoded: Encoded) -> Links:
        """Matches of neighbouring frames of a video."""
        assert encoded.fine is not None and encoded.images is not None
        features = self.matching.features(encoded.levels[-1], encoded.fine, encoded.grid)
        found: dict[int, list[tuple[Tensor, Tensor]]] = {1: [], -1: []}
        for step, kept in found.items():
            for one in range(features.shape[1] - 1):
                source, target = (one, one + 1) if step > 0 else (one + 1, one)
                looks = alike(encoded.images[:, [source]], encoded.images[:, target])
                match = self.matching(features[:, [source]], features[:, target], encoded.fine[:, [source]], looks)
                kept.append((match.place[:, 0], (match.found * match.back)[:, 0]))
        size = encoded.fine.shape[-2], encoded.fine.shape[-1]
        return Links(later=found[1], earlier=found[-1], size=size)

    def _told(self, encoded: Encoded, target: Int[Tensor, " B"]) -> Float[Tensor, "B S P D"]:
        """The last level after the decoder, to which the tokens of the target frame are shown."""
        last = encoded.levels[-1:]
        marked = torch.zeros_like(last[0, :, :, :1, :1])
        marked[torch.arange(len(target), device=target.device), target] = 1.0
        condition = self.conditions(encoded.levels, target[:, None])
        return self.decoder(last + marked * self.motion.marker.to(last.dtype), condition, encoded.grid)[0]

    def grid(self, height: int, width: int) -> Grid:
        """Rows and columns of patches of an image."""
        return height // self.sizes.patch, width // self.sizes.patch

    def conditions(self, levels: Levels, times: Int[Tensor, "B T"]) -> Float[Tensor, "B T D"]:
        """What tells the decoder the target times: the time tokens of the frames of these times, from the last level."""
        tokens = levels[-1, :, :, TIME]
        return tokens.gather(1, times[..., None].expand(-1, -1, tokens.shape[-1]))

    def poses(self, levels: Levels) -> list[Float[Tensor, "B S 9"]]:
        """Pose encodings of all frames after each step of the camera head."""
        return self.camera_head(levels[-1, :, :, CAMERA])


def others(frames: int, target: Int[Tensor, " B"]) -> Int64[Tensor, "B F"]:
    """The frames of each window but its target frame."""
    index = torch.arange(frames - 1, device=target.device)
    return index + (index >= target[:, None])
