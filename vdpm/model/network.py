"""The V-DPM network: images to point maps at any of their times, and cameras."""

from jaxtyping import Float, Int
from torch import Tensor, nn

from vdpm.model.backbone import Backbone
from vdpm.model.camera_head import CameraHead
from vdpm.model.decoder import Decoder
from vdpm.model.point_head import PointHead
from vdpm.model.sizes import CAMERA, TIME, Sizes

Grid = tuple[int, int]
Levels = Float[Tensor, "L B S P D"]
Maps = tuple[Float[Tensor, "B S H W 3"], Float[Tensor, "B S H W"]]
"""Points in the reference camera and confidences above 1."""


class Network(nn.Module):
    """V-DPM (arXiv 2601.09499). Letters: B videos, S frames, L = 4 levels, P tokens a frame of D channels.

    Names of the parts are those of the published weights.
    """

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.licence = ""
        """Of the weights, if they came with one."""
        self.aggregator = Backbone(sizes)
        self.decoder = Decoder(sizes)
        self.point_head = PointHead(sizes)
        self.camera_head = CameraHead(sizes)

    def forward(
        self, images: Float[Tensor, "B S 3 H W"], times: Int[Tensor, "B S"]
    ) -> tuple[Maps, Maps, list[Float[Tensor, "B S 9"]]]:
        """P, then Q with a target time for each frame, then pose encodings step by step."""
        grid = self.grid(images.shape[-2], images.shape[-1])
        levels = self.aggregator(images)
        moved = self.decoder(levels, self.conditions(levels, times), grid)
        return self.point_head(levels, grid), self.point_head(moved, grid), self.poses(levels)

    def grid(self, height: int, width: int) -> Grid:
        """Rows and columns of patches of an image."""
        return height // self.sizes.patch, width // self.sizes.patch

    def conditions(self, levels: Levels, times: Int[Tensor, "B T"]) -> Float[Tensor, "B T D"]:
        """What tells the decoder the target times: the time tokens of the frames of these times, from the last level."""
        tokens = levels[-1, :, :, TIME]
        return tokens.gather(1, times[..., None].expand(-1, -1, tokens.shape[-1]))

    def poses(self, levels: Levels) -> list[Float[Tensor, "B S 9"]]:
        """Pose encodings of all frames after each step of the camera head."""
        return self.camera_head(levels[-1, :, :, CAMERA])
