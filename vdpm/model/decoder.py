"""The time-conditioned decoder."""

from typing import cast

from jaxtyping import Float
from torch import Tensor, nn

from vdpm.model.conditional_block import ConditionalBlock
from vdpm.model.rope import rope
from vdpm.model.sizes import Sizes


class Decoder(nn.Module):
    """Carries the four levels of all frames to a target time, with the same blocks for all levels."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.frame_blocks = self._blocks(across=False)
        self.global_blocks = self._blocks(across=True)

    def _blocks(self, *, across: bool) -> nn.ModuleList:
        """Nested once more than is needed: so are the names of the weights."""
        sizes = self.sizes
        blocks = (ConditionalBlock(2 * sizes.width, sizes.heads, across=across) for _ in range(sizes.decoder_depth))
        return nn.ModuleList([nn.ModuleList(blocks)])

    def forward(
        self,
        levels: Float[Tensor, "L B S P D"],
        condition: Float[Tensor, "B #S D"],
        grid: tuple[int, int],
        frames: tuple[int, ...] | None = None,
    ) -> Float[Tensor, "L B F P D"]:
        """Levels at the time of the condition: of all frames, or of the given ones. `grid` is rows, columns of patches."""
        frame_blocks, global_blocks = (cast(nn.ModuleList, nest[0]) for nest in (self.frame_blocks, self.global_blocks))
        last = len(global_blocks) - 1
        table = rope(*grid, self.sizes.special, 2 * self.sizes.width // self.sizes.heads, levels.device)
        for number, (within, across) in enumerate(zip(frame_blocks, global_blocks, strict=True)):
            levels = within(levels, condition, table)
            levels = across(levels, condition, table, frames if number == last else None)
        return levels
