"""One step from coarse to fine."""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from vdpm.model.residual import Residual


class Fusion(nn.Module):
    """One step of the point head from coarse to fine (DPT, Ranftl et al. 2021)."""

    def __init__(self, features: int, *, coarsest: bool) -> None:
        super().__init__()
        if not coarsest:
            self.resConfUnit1 = Residual(features)
        self.resConfUnit2 = Residual(features)
        self.out_conv = nn.Conv2d(features, features, 1)

    def forward(
        self, x: Float[Tensor, "N C h w"], finer: Float[Tensor, "N C h w"] | None, size: tuple[int, int]
    ) -> Float[Tensor, "N C H W"]:
        """Features joined by those of the next level, resized to `size`."""
        if finer is not None:
            x = x + self.resConfUnit1(finer)
        x = functional.interpolate(self.resConfUnit2(x), size=size, mode="bilinear", align_corners=True)
        return self.out_conv(x)
