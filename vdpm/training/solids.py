"""Rays against ellipsoids, boxes and cylinders: where they enter and leave, all frames and pixels of a window at once.

Every solid is a unit solid (ball, cube or can of radius and half height 1) stretched by half sizes. A room is a cube seen
from inside. Arrays are (S, 3, N): frames, axes, pixels.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from jaxtyping import Float32, Float64, Int

NEVER = np.float32(1e9)


class Kind(IntEnum):
    """The unit solids."""

    BALL = 0
    CUBE = 1
    CAN = 2
    ROOM = 3


@dataclass(frozen=True, kw_only=True)
class Solids:
    """B solids that move rigidly."""

    kinds: Int[np.ndarray, " B"]
    half: Float64[np.ndarray, "B 3"]
    """Half sizes along the axes of the body, metres."""
    world_from_body: Float64[np.ndarray, "S B 4 4"]

    def __len__(self) -> int:
        return len(self.kinds)


def first(
    solids: Solids,
    world_from_body: Float64[np.ndarray, "S B 4 4"],
    origins: Float32[np.ndarray, "S 3 M"],
    directions: Float32[np.ndarray, "S 3 N"],
) -> tuple[Int[np.ndarray, "S N"], Float32[np.ndarray, "S N"]]:
    """The solid that each ray meets first, -1 for none, and how many ray lengths away it is; M is 1 or N."""
    nearest = np.full((len(directions), directions.shape[2]), NEVER, np.float32)
    body = np.full(nearest.shape, -1, np.int32)
    for index in range(len(solids)):
        enter, leave = crossing(solids, index, world_from_body[:, index], origins, directions)
        if solids.kinds[index] == Kind.ROOM:
            met, where = leave < nearest, leave
        else:
            met, where = (enter < leave) & (enter > 0) & (enter < nearest), enter
        np.copyto(nearest, where, where=met)
        np.copyto(body, np.int32(index), where=met)
    return body, nearest


def crossing(
    solids: Solids,
    index: int,
    world_from_body: Float64[np.ndarray, "S 4 4"],
    origins: Float32[np.ndarray, "S 3 M"],
    directions: Float32[np.ndarray, "S 3 N"],
) -> tuple[Float32[np.ndarray, "S N"], Float32[np.ndarray, "S N"]]:
    """Ray lengths at which rays enter and leave one solid; a ray that misses it leaves before it enters."""
    unit = (np.swapaxes(world_from_body[:, :3, :3], 1, 2) / solids.half[index][:, None]).astype(np.float32)
    start = unit @ (origins - world_from_body[:, :3, 3:].astype(np.float32))
    step = unit @ directions
    step = np.where(np.abs(step) < 1e-12, np.float32(1e-12), step)
    if solids.kinds[index] == Kind.BALL:
        return _round(start, step)
    if solids.kinds[index] == Kind.CAN:
        around, ends = _round(start[:, :2], step[:, :2]), _slab(start[:, 2], step[:, 2])
        return np.maximum(around[0], ends[0]), np.minimum(around[1], ends[1])
    sides = [_slab(start[:, axis], step[:, axis]) for axis in range(3)]
    enter = np.maximum(np.maximum(sides[0][0], sides[1][0]), sides[2][0])
    return enter, np.minimum(np.minimum(sides[0][1], sides[1][1]), sides[2][1])


def _slab(start: Float32[np.ndarray, "S M"], step: Float32[np.ndarray, "S N"]) -> tuple[np.ndarray, np.ndarray]:
    """Between the planes at -1 and 1."""
    middle, reach = -start / step, 1.0 / np.abs(step)
    return middle - reach, middle + reach


def _round(start: Float32[np.ndarray, "S K M"], step: Float32[np.ndarray, "S K N"]) -> tuple[np.ndarray, np.ndarray]:
    """Within distance 1 of the origin. From the point of closest approach, so that far solids lose no digits."""
    square = np.einsum("skn,skn->sn", step, step)
    along = -np.einsum("skn,skn->sn", np.broadcast_to(start, step.shape), step) / square
    miss = start + along[:, None] * step
    reach = 1.0 - np.einsum("skn,skn->sn", miss, miss)
    half = np.sqrt(np.maximum(reach, 0.0) / square)
    return np.where(reach > 0, along - half, NEVER), np.where(reach > 0, along + half, -NEVER)


def outward(
    solids: Solids, body: Int[np.ndarray, "S N"], place: Float32[np.ndarray, "S 3 N"]
) -> Float32[np.ndarray, "S 3 N"]:
    """Unit normals, in the frames of the bodies, at places on their surfaces; rooms are seen from inside."""
    half = solids.half.astype(np.float32)[body].transpose(0, 2, 1)
    kind = solids.kinds[body]
    unit = place / half
    ball = unit / half
    size = np.abs(unit)
    flat = np.where(size >= size.max(axis=1, keepdims=True), np.sign(unit), np.float32(0.0))
    rim = np.hypot(unit[:, 0], unit[:, 1])
    side = (rim > size[:, 2])[:, None]
    axis = np.array([0.0, 0.0, 1.0], np.float32)[None, :, None]
    can = np.where(side, ball * (1.0 - axis), np.sign(unit) * axis)
    normal = np.where((kind == Kind.BALL)[:, None], ball, np.where((kind == Kind.CAN)[:, None], can, flat))
    normal /= np.maximum(np.sqrt(np.einsum("san,san->sn", normal, normal)), np.float32(1e-9))[:, None]
    return np.where((kind == Kind.ROOM)[:, None], -normal, normal)
