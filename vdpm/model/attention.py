"""Multi-head attention."""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from vdpm.model.rope import Rope


class Attention(nn.Module):
    """Multi-head attention, with layer-normed queries and keys if `normed`."""

    def __init__(self, width: int, heads: int, *, normed: bool) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.q_norm = nn.LayerNorm(width // heads) if normed else nn.Identity()
        self.k_norm = nn.LayerNorm(width // heads) if normed else nn.Identity()
        self.proj = nn.Linear(width, width)

    def forward(
        self, x: Float[Tensor, "B N C"], rope: Rope | None = None, context: Float[Tensor, "B M C"] | None = None
    ) -> Float[Tensor, "B N C"]:
        """Tokens attend to the context, or to themselves where there is none."""
        query, key, value = self._project(x, context)
        query, key = self.q_norm(query), self.k_norm(key)
        if rope is not None:
            query, key = rope.rotate(query), rope.rotate(key)
        seen = functional.scaled_dot_product_attention(query.to(value.dtype), key.to(value.dtype), value)
        return self.proj(seen.transpose(1, 2).flatten(2))

    def _project(self, x: Tensor, context: Tensor | None) -> list[Tensor]:
        """Queries, keys, values, each (B, heads, tokens, D)."""
        if context is None:
            parts = self.qkv(x).chunk(3, dim=-1)
        else:
            width = x.shape[-1]
            weight, bias = self.qkv.weight, self.qkv.bias
            query = functional.linear(x, weight[:width], bias[:width])
            parts = (query, *functional.linear(context, weight[width:], bias[width:]).chunk(2, dim=-1))
        return [part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts]
