"""VGGT (arXiv 2503.11651): the static half of V-DPM's network with VGGT-1B's weights; what it sees does not move."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from vdpm.clip import Prediction, Video
from vdpm.errors import UserError
from vdpm.geometry import invert, transform

if TYPE_CHECKING:
    from vdpm.model.model import Model
    from vdpm.model.network import Network

VERSION = "1"
NEEDS = "weights"
WEIGHTS = "VGGT_WEIGHTS"
"""Environment variable that names them: a file, a folder, or a repository of the Hugging Face hub."""
PUBLISHED = "facebook/VGGT-1B"


def load() -> Callable[[Video], Prediction]:
    from vdpm.model.device import best_device
    from vdpm.model.model import Model
    from vdpm.model.weights import start_from_vggt

    device = best_device()
    try:
        network = start_from_vggt(os.environ.get(WEIGHTS, PUBLISHED), seed=0)
    except UserError as error:
        raise UserError(f"method 'vggt' needs weights, named in the variable {WEIGHTS}: {error}") from error
    half = device.type == "cuda"  # as published
    model = Model(network=static(network).to(device).eval(), device=device, bfloat16=half)
    return lambda video: predict(model, video)


def static(network: "Network") -> "Network":
    """A V-DPM network whose backbone has no time token any more: no frame can attend to it, as in VGGT.

    The backbone works without the token and hands on zeros in its place, which neither head reads.
    """
    import torch

    from vdpm.model.rope import rope
    from vdpm.model.sizes import TIME

    backbone, sizes = network.aggregator, network.sizes
    with_time = backbone.tokens

    def tokens(*arguments: object) -> torch.Tensor:
        x = with_time(*arguments)  # type: ignore[arg-type]
        return torch.cat((x[:, :, :TIME], x[:, :, TIME + 1 :]), dim=2)

    def table(height: int, width: int, device: torch.device):
        rows, columns = height // sizes.patch, width // sizes.patch
        return rope(rows, columns, sizes.special - 1, sizes.width // sizes.heads, device)

    def padded(module: object, inputs: object, levels: torch.Tensor) -> torch.Tensor:
        gap = levels.new_zeros(*levels.shape[:3], 1, levels.shape[-1])
        return torch.cat((levels[..., :TIME, :], gap, levels[..., TIME:, :]), dim=-2)

    backbone.tokens, backbone.rope = tokens, table  # type: ignore[method-assign]
    backbone.register_forward_hook(padded)
    return network


def predict(model: "Model", video: Video) -> Prediction:
    """Cameras, depth (z of the point map in its camera), and the points of the sources where they are at their own time."""
    from vdpm.model.frames import fit
    from vdpm.model.predict import cameras

    height, width = video.rgb.shape[1:3]
    place = fit(height, width, model.network.sizes)
    encoding = model.encode(place.images(video.rgb))
    camera_from_world, K = cameras(encoding)
    seen = place.back(encoding.video().points[0].numpy())
    depth = transform(camera_from_world[:, None, None], seen.astype(np.float64))[..., 2]
    own = seen[list(video.sources)]
    return Prediction(
        K=place.intrinsics(K),
        world_from_camera=invert(camera_from_world),
        depth=depth.astype(np.float32),
        points=np.repeat(own[:, None], len(video.rgb), axis=1),
    )
