"""V-DPM as one uses it: weights, a device, and videos to encode."""

from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from vdpm.errors import UserError
from vdpm.model.device import best_device, products
from vdpm.model.encoding import Encoding
from vdpm.model.network import Network
from vdpm.model.weights import read_network


@dataclass(frozen=True, kw_only=True)
class Model:
    """A network that is ready to answer, for example `Model.from_pretrained("edgarsucar/vdpm").encode(images)`."""

    network: Network
    device: torch.device
    bfloat16: bool
    """Whether backbone and decoder multiply in bfloat16, twice as fast and a hundredth off; the heads never do."""

    @classmethod
    def from_pretrained(
        cls, where: str | Path, *, device: torch.device | None = None, bfloat16: bool = False
    ) -> "Model":
        """Weights from a file, a folder, or the Hugging Face hub; on the accelerator that is there unless told."""
        device = device or best_device()
        return cls(network=read_network(where).to(device).eval(), device=device, bfloat16=bfloat16)

    def encode(self, images: Float[Tensor, "B S 3 H W"]) -> Encoding:
        """Run the backbone once. Colours from 0 to 1, sides multiples of the patch; see `vdpm.model.frames`."""
        height, width = images.shape[-2:]
        patch = self.network.sizes.patch
        if not images.numel() or height % patch or width % patch:
            raise UserError(f"images have shape {tuple(images.shape)}: some frames, with sides a multiple of {patch}")
        first = next(self.network.parameters())
        with torch.no_grad(), products(self.device, self.bfloat16):
            encoded = self.network.encode(images.to(self.device, first.dtype))
        return Encoding(network=self.network, encoded=encoded, height=height, width=width, bfloat16=self.bfloat16)
