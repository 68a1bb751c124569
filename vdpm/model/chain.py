"""Where matches are to be looked for: from frame to frame of a video, things move little and look the same.

The matches of neighbouring frames, one after another, lead from any frame to any other. They drift, but what they say is
near; a search over the whole of a far frame takes what looks alike for the same.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from vdpm.model.stem import STEP, centres

Places = Float[Tensor, "B n 2"]
"""Pixels (u, v) in another frame, for each feature of a frame."""
Shares = Float[Tensor, "B n"]


@dataclass(frozen=True, kw_only=True)
class Links:
    """Matches of each frame of a video with the next one and with the one before."""

    later: list[tuple[Places, Shares]]
    """Of frame k with frame k + 1: places, and how likely they are right."""
    earlier: list[tuple[Places, Shares]]
    """Of frame k + 1 with frame k."""
    size: tuple[int, int]
    """Rows and columns of features."""

    def leading_to(self, target: int) -> tuple[Float[Tensor, "B S n 2"], Float[Tensor, "B S n"]]:
        """Where the features of all frames are at the time of one, and how likely that is right."""
        places, _ = self.later[0]
        own = centres(*self.size, places.device).to(places.dtype).expand_as(places)
        found = {target: (own, torch.ones_like(own[..., 0]))}
        for frame in range(target - 1, -1, -1):
            found[frame] = self._joined(self.later[frame], found[frame + 1])
        for frame in range(target + 1, len(self.later) + 1):
            found[frame] = self._joined(self.earlier[frame - 1], found[frame - 1])
        chains = [found[frame] for frame in sorted(found)]
        return torch.stack([place for place, _ in chains], dim=1), torch.stack([share for _, share in chains], dim=1)

    def _joined(self, first: tuple[Places, Shares], rest: tuple[Places, Shares]) -> tuple[Places, Shares]:
        """One link, then a chain from the frame it ends in. The nearest feature there answers, as things have edges."""
        (place, share), (rows, columns) = first, self.size
        cell = (place / STEP).long()
        row, column = cell[..., 1].clamp(0, rows - 1), cell[..., 0].clamp(0, columns - 1)
        index = row * columns + column
        there = rest[0].gather(1, index[..., None].expand_as(place))
        offset = place - centres(rows, columns, place.device).to(place.dtype)[index]
        return there + offset, share * rest[1].gather(1, index)
