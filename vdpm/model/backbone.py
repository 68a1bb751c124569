"""The backbone: frame and global attention in turns (VGGT, Wang et al. 2025), with a time token."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vdpm.model.block import Block
from vdpm.model.drawn import drawn
from vdpm.model.rope import Rope, rope
from vdpm.model.sizes import Sizes
from vdpm.model.stem import STEP
from vdpm.model.vision import VisionTransformer

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of the colours of ImageNet, with which images are whitened."""


class Backbone(nn.Module):
    """Images to four levels of tokens. The first frame is the reference and has tokens of its own."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.patch_embed = VisionTransformer(sizes)
        self.camera_token = drawn(1e-6, 1, 2, 1, sizes.width)
        self.register_token = drawn(1e-6, 1, 2, sizes.registers, sizes.width)
        self.time_conditioning_token = drawn(1.0, 1, 1, sizes.width)
        if sizes.stem:
            self.stem_embed = nn.Conv2d(sizes.stem, sizes.width, sizes.patch // STEP, sizes.patch // STEP)
        self.frame_blocks = nn.ModuleList(Block(sizes.width, sizes.heads, normed=True) for _ in range(sizes.depth))
        self.global_blocks = nn.ModuleList(Block(sizes.width, sizes.heads, normed=True) for _ in range(sizes.depth))

    def forward(
        self, images: Float[Tensor, "B S 3 H W"], fine: Float[Tensor, "B S K h w"] | None = None
    ) -> Float[Tensor, "L B S P D"]:
        """Outputs of the tapped pairs of blocks, frame and global side by side; images from 0 to 1.

        `fine` are the features of the stem, if the network has one.
        """
        x = self.tokens(images, fine)
        table = self.rope(images.shape[-2], images.shape[-1], images.device)
        levels = x.new_empty(len(self.sizes.taps), *x.shape[:3], 2 * self.sizes.width)
        for number in range(self.sizes.depth):
            within, x = self.pair(number, x, table)
            if number in self.sizes.taps:
                level = levels[self.sizes.taps.index(number)]
                level[..., : self.sizes.width], level[..., self.sizes.width :] = within, x
        return levels

    def rope(self, height: int, width: int, device: torch.device) -> Rope:
        """The position table of images of a size."""
        rows, columns = height // self.sizes.patch, width // self.sizes.patch
        return rope(rows, columns, self.sizes.special, self.sizes.width // self.sizes.heads, device)

    def tokens(
        self, images: Float[Tensor, "B S 3 H W"], fine: Float[Tensor, "B S K h w"] | None = None
    ) -> Float[Tensor, "B S P C"]:
        """What the blocks start from: camera, time, registers and patches of each frame."""
        batch, frames = images.shape[:2]
        mean, deviation = (images.new_tensor(colour)[:, None, None] for colour in (MEAN, DEVIATION))
        patches = self.patch_embed(((images - mean) / deviation).flatten(0, 1)).unflatten(0, (batch, frames))
        if fine is not None:
            patches = patches + self.stem_embed(fine.flatten(0, 1)).flatten(2).transpose(1, 2).view(patches.shape)
        own = (self.camera_token, self.time_conditioning_token[None].expand(-1, 2, -1, -1), self.register_token)
        first, others = torch.cat(own, dim=2).split(1, dim=1)
        special = torch.cat((first, others.expand(-1, frames - 1, -1, -1)), dim=1)
        return torch.cat((special.expand(batch, -1, -1, -1), patches), dim=2)

    def pair(
        self, number: int, x: Float[Tensor, "B S P C"], table: Rope
    ) -> tuple[Float[Tensor, "B S P C"], Float[Tensor, "B S P C"]]:
        """Tokens after a frame block, and after the global block that follows."""
        within = self.frame_blocks[number](x.flatten(0, 1), table).view(x.shape)
        return within, self.global_blocks[number](within.flatten(1, 2), table).view(x.shape)
