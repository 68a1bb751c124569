"""Two convolutions around which features pass."""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


class Residual(nn.Module):
    """Two convolutions around which the rectified features pass.

    The released weights were trained with a rectifier that overwrote its input, so what passes is relu(x), not x.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(features, features, 3, padding=1)
        self.conv2 = nn.Conv2d(features, features, 3, padding=1)

    def forward(self, x: Float[Tensor, "N C h w"]) -> Float[Tensor, "N C h w"]:
        x = functional.relu(x)
        return self.conv2(functional.relu(self.conv1(x))) + x
