"""DINOv2, a vision transformer with registers (Oquab et al. 2023, Darcet et al. 2023)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from vdpm.model.block import Block
from vdpm.model.drawn import drawn
from vdpm.model.sizes import Sizes

EPS = 1e-6


class VisionTransformer(nn.Module):
    """Patch tokens of images. `mask_token` is read by nobody: weights carry it."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        width = sizes.width
        self.side = sizes.image // sizes.patch
        self.cls_token = drawn(1e-6, 1, 1, width)
        self.pos_embed = drawn(0.02, 1, 1 + self.side**2, width)
        self.register_tokens = drawn(1e-6, 1, sizes.registers, width)
        self.mask_token = nn.Parameter(torch.zeros(1, width))
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, width, sizes.patch, sizes.patch)})
        self.blocks = nn.ModuleList(
            Block(width, sizes.heads, normed=False, scale=1.0, eps=EPS) for _ in range(sizes.vision_depth)
        )
        self.norm = nn.LayerNorm(width, eps=EPS)

    def forward(self, images: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "N P C"]:
        """Normed tokens of the patches, row by row; images are whitened."""
        grid = self.patch_embed["proj"](images)
        patches = grid.flatten(2).transpose(1, 2) + self._positions(*grid.shape[2:])
        first = (self.cls_token + self.pos_embed[:, :1]).expand(len(images), -1, -1)
        x = torch.cat((first, self.register_tokens.expand(len(images), -1, -1), patches), dim=1)
        for block in self.blocks:
            x = block(x)
        return self.norm(x[:, -patches.shape[1] :])

    def _positions(self, rows: int, columns: int) -> Float[Tensor, "1 P C"]:
        """The position embedding, resized unless the image is of the very size that it was made for."""
        embedding = self.pos_embed[:, 1:]
        if rows == columns == self.side:
            return embedding
        square = embedding.float().unflatten(1, (self.side, self.side)).permute(0, 3, 1, 2)
        resized = functional.interpolate(square, size=(rows, columns), mode="bicubic", antialias=True)
        return resized.flatten(2).transpose(1, 2).to(embedding.dtype)
