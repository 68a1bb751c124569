"""What of a field of displacements is not motion but the error of cameras: a small rigid movement, and one of scale.

Points of things at rest that are predicted from two frames differ by a slightly wrong pose and a slightly wrong scale
between them. Most of what is seen is at rest, so a robust fit finds this error, and what is left is motion. The fit has six
parameters across the line of sight and one along it: an affine map has twelve, enough to swallow a large thing that moves.
"""

import torch
from jaxtyping import Float
from torch import Tensor

ROUNDS = 10
RIDGE = 1e-4
NEAREST = 1e-6


@torch.no_grad()
def camera_part(
    points: Float[Tensor, "*N n 3"],
    across: Float[Tensor, "*N n 3"],
    along: Float[Tensor, "*N n 3"],
    weights: Float[Tensor, "*N n"],
) -> tuple[Float[Tensor, "*N n 3"], Float[Tensor, "*N n 3"]]:
    """What of displacements across and along the line of sight is due to cameras. Points are seen from the camera.

    Errors count by the angle they are seen under: what is far away would have the only say else.
    """
    far = points.norm(dim=-1, keepdim=True).clamp(min=NEAREST)
    ray, rigid = points / far, _rigid(points)
    movement = _robust(_off(rigid, ray) / far[..., None], across / far, weights)
    seen = (rigid @ movement[..., None, :, None])[..., 0]
    forward = ray * (ray * seen).sum(-1, keepdim=True)
    scale = _robust(ray[..., None], (along - forward) / far, weights)
    return seen - forward, forward + points * scale[..., None, :]


def _rigid(points: Float[Tensor, "*N n 3"]) -> Float[Tensor, "*N n 3 6"]:
    """What small turns about the three axes and steps along them do to points: turn x point + step."""
    axes = torch.eye(3, dtype=points.dtype, device=points.device)
    turns = torch.linalg.cross(axes.expand(*points.shape, 3), points[..., None, :].expand(*points.shape, 3))
    return torch.cat((turns.transpose(-1, -2), axes.expand(*points.shape, 3)), dim=-1)


def _off(basis: Float[Tensor, "*N n 3 K"], ray: Float[Tensor, "*N n 3"]) -> Float[Tensor, "*N n 3 K"]:
    """Without what lies along rays."""
    return basis - ray[..., None] * (ray[..., None] * basis).sum(-2, keepdim=True)


def _robust(
    basis: Float[Tensor, "*N n 3 K"], steps: Float[Tensor, "*N n 3"], weights: Float[Tensor, "*N n"]
) -> Float[Tensor, "*N K"]:
    """Coefficients by least squares re-weighted after Cauchy; half of the median residual is the scale of the weights."""
    ridge = RIDGE * torch.eye(basis.shape[-1], dtype=basis.dtype, device=basis.device)
    robust, found = weights, torch.zeros_like(basis[..., 0, 0, :])
    for _ in range(ROUNDS):
        share = (robust / robust.sum(-1, keepdim=True).clamp(min=1e-6))[..., None, None]
        rows, left = basis.flatten(-3, -2), (share * basis).flatten(-3, -2).transpose(-1, -2)
        found = _solved(left @ rows + ridge, left @ steps.flatten(-2)[..., None])[..., 0]
        residual = (steps - (basis @ found[..., None, :, None])[..., 0]).norm(dim=-1)
        scale = (0.5 * _median(residual, weights)).clamp(min=1e-6)
        robust = weights / (1.0 + (residual / scale).square())
    return found


def _median(values: Float[Tensor, "*N n"], weights: Float[Tensor, "*N n"]) -> Float[Tensor, "*N 1"]:
    """The value below which half of the weight is: what has no match has no say."""
    order = values.argsort(dim=-1)
    share = weights.gather(-1, order).cumsum(dim=-1)
    index = (share < 0.5 * share[..., -1:]).sum(dim=-1, keepdim=True).clamp(max=values.shape[-1] - 1)
    return values.gather(-1, order.gather(-1, index))


def _solved(matrix: Float[Tensor, "*N K K"], right: Float[Tensor, "*N K 1"]) -> Float[Tensor, "*N K 1"]:
    """Of normal equations. Without a look at whether it went well, for which a GPU would have to be waited for."""
    if matrix.shape[-1] == 1:
        return right / matrix
    factor, _ = torch.linalg.cholesky_ex(matrix)
    return torch.cholesky_solve(right, factor)
