"""A transformer block that is told the target time."""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from vdpm.model.attention import Attention
from vdpm.model.layer_scale import LayerScale
from vdpm.model.mlp import Mlp
from vdpm.model.rope import Rope


class ConditionalBlock(nn.Module):
    """A block whose attention is shifted, scaled and gated by a condition per frame; the MLP is not (V-DPM, Fig. 4)."""

    def __init__(self, width: int, heads: int, *, across: bool) -> None:
        super().__init__()
        self.across = across
        """Whether tokens attend across the frames of a video or within their own."""
        self.modulation = nn.ModuleDict({"lin": nn.Linear(width, 3 * width)})
        self.norm1 = nn.LayerNorm(width, elementwise_affine=False)
        self.attn = Attention(width, heads, normed=True)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = Mlp(width, 4 * width, width)
        self.ls2 = LayerScale(width, 0.01)

    def forward(
        self,
        x: Float[Tensor, "L B S P C"],
        condition: Float[Tensor, "B #S C"],
        rope: Rope,
        frames: tuple[int, ...] | None = None,
    ) -> Float[Tensor, "L B F P C"]:
        """All frames, or only the given ones, which still attend to all. L levels share the condition."""
        modulation = self.modulation["lin"](functional.silu(condition))[:, :, None]
        shift, scale, gate = modulation.chunk(3, dim=-1)
        normed = self.norm1(x) * (1 + scale) + shift
        if frames is None:
            seen = self._attend(normed, rope)
        else:
            x, gate = x[:, :, frames], gate if gate.shape[1] == 1 else gate[:, frames]
            seen = self._attend_from(normed, rope, frames)
        x = x + gate * seen
        return x + self.ls2(self.mlp(self.norm2(x)))

    def _attend(self, x: Tensor, rope: Rope) -> Tensor:
        tokens = x.flatten(2, 3).flatten(0, 1) if self.across else x.flatten(0, 2)
        return self.attn(tokens, rope).view(x.shape)

    def _attend_from(self, x: Tensor, rope: Rope, frames: tuple[int, ...]) -> Tensor:
        asked = x[:, :, frames]
        if not self.across:
            return self._attend(asked, rope)
        tokens, context = (part.flatten(2, 3).flatten(0, 1) for part in (asked, x))
        return self.attn(tokens, rope, context).view(asked.shape)
