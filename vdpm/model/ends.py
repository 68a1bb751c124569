"""The two ends of a match in space: where a point is at its own time, and where it is seen to be at that of the target.

Distances come from the point maps, directions from the cameras: those of a point map are predicted pixel by pixel, and
their noise is larger than many motions; those of a camera have nine numbers, whose error `vdpm.model.ego` takes out.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, Int64
from torch import Tensor
from torch.nn import functional

from vdpm.model import poses
from vdpm.model.stem import centres, sampled

FIELDS = 0.1, 2.6
"""Radians: narrower and wider lenses are taken for these, as a network that has not learnt may say anything."""
NEAREST = 1e-6


@dataclass(frozen=True, kw_only=True)
class Ends:
    """Seen from the camera of the target frame, in its axes: n features of each frame that is asked for."""

    start: Float[Tensor, "B F n 3"]
    """Points at their own time."""
    ray: Float[Tensor, "B F n 3"]
    """Where the match is to be seen: of length 1."""
    reach: Float[Tensor, "B F n 1"]
    """Distance of what the target frame shows there: that of the nearest pixel, as distances jump at edges."""
    distance: Float[Tensor, "B F H W 1"]
    """Of all points of the frames asked for, not only of those that features stand for."""
    turn: Float[Tensor, "B 3 3"]
    """From the axes of the target camera to those of the reference."""

    @property
    def far(self) -> Float[Tensor, "B F n 1"]:
        """Distance of the starts."""
        return self.start.norm(dim=-1, keepdim=True).clamp(min=NEAREST)

    @property
    def across(self) -> Float[Tensor, "B F n 3"]:
        """Displacements to the rays of the matches, no nearer and no farther."""
        return self.far * self.ray - self.start

    @property
    def along(self) -> Float[Tensor, "B F n 3"]:
        """What is missing to the points that the target frame shows."""
        return (self.reach - self.far) * self.ray


@torch.no_grad()
def ends(
    points: Float[Tensor, "B S H W 3"],
    cameras: Float[Tensor, "B S 9"],
    place: Float[Tensor, "B F n 2"],
    sources: Int64[Tensor, "B F"],
    target: Int[Tensor, " B"],
) -> Ends:
    """Of the matches of some frames with the target frame. Points are in the reference camera, as the cameras are.

    To be called without autocast: half precision turns rays by more than things move.
    """
    (height, width), one = points.shape[2:4], torch.arange(len(target), device=target.device)
    asked, goal = (one[:, None], sources), (one, target)
    turns, eyes = poses.rotation(cameras[..., 3:7]), poses.centre(cameras)
    rows, columns = sampled(points[:, 0]).shape[1:3]
    own = directions(cameras[asked], centres(rows, columns, place.device).to(place.dtype), height, width)
    length = (sampled(points[asked]).flatten(2, 3) - eyes[asked][:, :, None]).norm(dim=-1, keepdim=True)
    there = eyes[asked][:, :, None] + length * (own @ turns[asked])
    reach = (points[goal] - eyes[goal][:, None, None]).norm(dim=-1)
    return Ends(
        start=(there - eyes[goal][:, None, None]) @ turns[goal][:, None].transpose(-1, -2),
        ray=directions(cameras[goal][:, None], place, height, width),
        reach=nearest(reach, place),
        distance=(points[asked] - eyes[goal][:, None, None, None]).norm(dim=-1, keepdim=True),
        turn=turns[goal].transpose(-1, -2),
    )


def directions(
    cameras: Float[Tensor, "*N 9"], place: Float[Tensor, "*M n 2"], height: int, width: int
) -> Float[Tensor, "*K n 3"]:
    """Where pixels (u, v), the first centre at 0.5, look in the axes of their camera: of length 1."""
    slope = (cameras[..., 7:].clamp(*FIELDS) / 2).tan().flip(-1)[..., None, :]
    middle = 0.5 * place.new_tensor([width, height])
    plane = (place - middle) / middle * slope
    return functional.normalize(torch.cat((plane, torch.ones_like(plane[..., :1])), dim=-1), dim=-1)


def nearest(values: Float[Tensor, "B H W"], place: Float[Tensor, "B F n 2"]) -> Float[Tensor, "B F n 1"]:
    """Values of the pixels that places lie in; those beyond the edge take its."""
    height, width = values.shape[1:]
    column, row = place.floor().long().unbind(-1)
    index = row.clamp(0, height - 1) * width + column.clamp(0, width - 1)
    return values.flatten(1).gather(1, index.flatten(1)).view_as(index)[..., None]
