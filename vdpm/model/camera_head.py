"""The camera head: the camera token of each frame to its pose."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vdpm.model.block import Block
from vdpm.model.mlp import Mlp
from vdpm.model.sizes import Sizes

STEPS = 4


class CameraHead(nn.Module):
    """Camera tokens to pose encodings, refined in four steps."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        width = 2 * sizes.width
        self.empty_pose_tokens = nn.Parameter(torch.zeros(1, 1, 9))
        self.embed_pose = nn.Linear(9, width)
        self.poseLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 3 * width))
        self.adaln_norm = nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)
        self.token_norm = nn.LayerNorm(width)
        self.trunk = nn.ModuleList(Block(width, sizes.heads, normed=False) for _ in range(sizes.camera_depth))
        self.trunk_norm = nn.LayerNorm(width)
        self.pose_branch = Mlp(width, width // 2, 9)

    def forward(self, tokens: Float[Tensor, "B S D"]) -> list[Float[Tensor, "B S 9"]]:
        """The encoding after each step, the last is the best; see `vdpm.model.poses` for what its numbers say."""
        tokens = self.token_norm(tokens)
        pose, encodings = None, []
        for _ in range(STEPS):
            change = self.step(tokens, self.empty_pose_tokens if pose is None else pose.detach())
            pose = change if pose is None else pose.detach() + change
            encodings.append(torch.cat((pose[..., :7], pose[..., 7:].relu()), dim=-1))
        return encodings

    def step(self, tokens: Float[Tensor, "B S D"], pose: Float[Tensor, "#B #S 9"]) -> Float[Tensor, "B S 9"]:
        """What to add to a pose (raw: fields of view may be negative) to make it better."""
        shift, scale, gate = self.poseLN_modulation(self.embed_pose(pose)).chunk(3, dim=-1)
        x = tokens + gate * (self.adaln_norm(tokens) * (1 + scale) + shift)
        for block in self.trunk:
            x = block(x)
        return self.pose_branch(self.trunk_norm(x))
