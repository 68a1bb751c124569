"""What of a field of displacements is not motion but the error of cameras: an affine function of the points.

Points of things at rest that are predicted from two frames differ by a slightly wrong pose and scale between them, which
moves all of them affinely. Most of what is seen is at rest, so a robust fit of an affine map finds this error, and what
is left is motion.
"""

import torch
from jaxtyping import Float
from torch import Tensor

ROUNDS = 4
RIDGE = 1e-4


@torch.no_grad()
def affine_part(
    points: Float[Tensor, "*N n 3"], steps: Float[Tensor, "*N n K"], weights: Float[Tensor, "*N n"]
) -> Float[Tensor, "*N n K"]:
    """The affine function of the points nearest to the steps, by least squares re-weighted after Cauchy.

    The scale of the weights is the median residual; the first three columns of the steps decide it.
    """
    basis = torch.cat((points, torch.ones_like(points[..., :1])), dim=-1)
    ridge = RIDGE * torch.eye(4, dtype=points.dtype, device=points.device)
    robust, fit = weights, torch.zeros_like(steps)
    for _ in range(ROUNDS):
        left = (basis * robust[..., None]).transpose(-1, -2)
        total = robust.sum(-1)[..., None, None].clamp(min=1e-6)
        fit = basis @ torch.linalg.solve(left @ basis / total + ridge, left @ steps / total)
        residual = (steps - fit)[..., :3].norm(dim=-1)
        scale = residual.median(dim=-1, keepdim=True).values.clamp(min=1e-6)
        robust = weights / (1.0 + (residual / scale).square())
    return fit
