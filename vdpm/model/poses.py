"""Pose encodings: nine numbers per frame, [translation (3), quaternion x y z w, vertical and horizontal field of view].

Translation and quaternion are camera_from_world, the world is the camera of the first frame, angles are radians, and the
quaternion need not be of length 1. The network counts pixels from the *centre* of the first one and puts the principal
point at (W/2, H/2) in that count; `intrinsics` keeps to it, `vdpm.model.frames` converts to the corner of `vdpm.clip`.
"""

import torch
from jaxtyping import Float
from torch import Tensor

SMALLEST_FOV = 1e-3
"""Radians. The network may answer 0, which no focal length gives."""


def camera_from_world(encoding: Float[Tensor, "*N 9"]) -> Float[Tensor, "*N 3 4"]:
    """Rotation and translation of each frame."""
    return torch.cat((rotation(encoding[..., 3:7]), encoding[..., :3, None]), dim=-1)


def centre(encoding: Float[Tensor, "*N 9"]) -> Float[Tensor, "*N 3"]:
    """Where each camera is in the world."""
    return -(rotation(encoding[..., 3:7]).transpose(-1, -2) @ encoding[..., :3, None])[..., 0]


def intrinsics(encoding: Float[Tensor, "*N 9"], height: int, width: int) -> Float[Tensor, "*N 3 3"]:
    """K in pixels of the network's image, counted from the first pixel centre."""
    half = encoding[..., 7:].clamp(min=SMALLEST_FOV).div(2).tan()
    K = encoding.new_zeros(*encoding.shape[:-1], 3, 3)
    K[..., 0, 0], K[..., 1, 1] = width / 2 / half[..., 1], height / 2 / half[..., 0]
    K[..., 0, 2], K[..., 1, 2], K[..., 2, 2] = width / 2, height / 2, 1.0
    return K


def encoded(
    camera_from_world: Float[Tensor, "*N 3 4"], K: Float[Tensor, "*N 3 3"], height: int, width: int
) -> Float[Tensor, "*N 9"]:
    """The encoding of cameras whose principal point is the middle of the image."""
    sides = torch.stack((height / 2 / K[..., 1, 1], width / 2 / K[..., 0, 0]), dim=-1)
    turn = quaternion(camera_from_world[..., :3])
    return torch.cat((camera_from_world[..., 3], turn, 2 * sides.atan()), dim=-1)


def rotation(quaternion: Float[Tensor, "*N 4"]) -> Float[Tensor, "*N 3 3"]:
    """Rotation matrix of a quaternion x y z w of any length but 0: 1 + (2 / |q|^2) (w [v] + [v]^2), [v] a cross product."""
    x, y, z, w = quaternion.unbind(-1)
    zero = torch.zeros_like(x)
    rows = (zero, -z, y, z, zero, -x, -y, x, zero)
    cross = torch.stack(rows, dim=-1).unflatten(-1, (3, 3))
    twice = (2.0 / quaternion.square().sum(-1))[..., None, None]
    one = torch.eye(3, dtype=cross.dtype, device=cross.device)
    return one + twice * (w[..., None, None] * cross + cross @ cross)


def quaternion(rotation: Float[Tensor, "*N 3 3"]) -> Float[Tensor, "*N 4"]:
    """Unit quaternion x y z w of a rotation, w not negative.

    4 q q^T is linear in the rotation; its row with the largest diagonal gives q without losing digits.
    """
    (a, b, c), (d, e, f), (g, h, i) = (row.unbind(-1) for row in rotation.unbind(-2))
    outer = torch.stack((
        torch.stack((1 + a - e - i, b + d, c + g, h - f), dim=-1),
        torch.stack((b + d, 1 - a + e - i, f + h, c - g), dim=-1),
        torch.stack((c + g, f + h, 1 - a - e + i, d - b), dim=-1),
        torch.stack((h - f, c - g, d - b, 1 + a + e + i), dim=-1),
    ), dim=-2)  # fmt: skip
    best = outer.diagonal(dim1=-2, dim2=-1).argmax(-1)[..., None, None].expand(*outer.shape[:-2], 1, 4)
    q = torch.nn.functional.normalize(outer.gather(-2, best)[..., 0, :], dim=-1)
    return torch.where(q[..., 3:] < 0, -q, q)
