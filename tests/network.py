"""The tiny network with the weights of the parity fixtures, and ways to compare."""

from functools import cache
from pathlib import Path

import numpy as np
import torch

from vdpm.model.network import Network
from vdpm.model.sizes import TINY

FIXTURES = Path(__file__).parent / "fixtures" / "vdpm"
CLOSE = 1e-5
torch.set_num_threads(1)  # what is this small only waits for the others


@cache
def fixture(name: str) -> dict[str, np.ndarray]:
    """Arrays that the public implementation answered."""
    with np.load(FIXTURES / f"{name}.npz", allow_pickle=False) as arrays:
        return dict(arrays)


@cache
def stressed() -> Network:
    """Tiny, with random weights of which every one moves the output."""
    network = Network(TINY)
    network.load_state_dict(torch.load(FIXTURES / "weights.pt", weights_only=True))
    return network.eval().requires_grad_(False)


def images(batch: int, frames: int, height: int, width: int, seed: int = 0) -> torch.Tensor:
    """Smooth random images."""
    rng = torch.Generator().manual_seed(seed)
    coarse = torch.rand(batch * frames, 3, 4, 5, generator=rng)
    fine = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bilinear")
    return fine.unflatten(0, (batch, frames))


def off(ours, reference) -> float:
    """max |d| / max |reference|, whatever the shapes: elements are in the same order."""
    reference = torch.as_tensor(reference).detach()
    return float((ours.detach().reshape(reference.shape) - reference).abs().max() / reference.abs().max())
