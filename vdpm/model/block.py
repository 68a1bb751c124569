"""A transformer block."""

from jaxtyping import Float
from torch import Tensor, nn

from vdpm.model.attention import Attention
from vdpm.model.layer_scale import LayerScale
from vdpm.model.mlp import Mlp
from vdpm.model.rope import Rope


class Block(nn.Module):
    """Attention, then an MLP, each on normed tokens and scaled before it is added."""

    def __init__(self, width: int, heads: int, *, normed: bool, scale: float = 0.01, eps: float = 1e-5) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=eps)
        self.attn = Attention(width, heads, normed=normed)
        self.ls1 = LayerScale(width, scale)
        self.norm2 = nn.LayerNorm(width, eps=eps)
        self.mlp = Mlp(width, 4 * width, width)
        self.ls2 = LayerScale(width, scale)

    def forward(self, x: Float[Tensor, "B N C"], rope: Rope | None = None) -> Float[Tensor, "B N C"]:
        x = x + self.ls1(self.attn(self.norm1(x), rope))
        return x + self.ls2(self.mlp(self.norm2(x)))
