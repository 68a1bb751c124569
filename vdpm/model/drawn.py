"""Parameters that start as noise."""

import torch
from torch import nn


def drawn(scale: float, *shape: int) -> nn.Parameter:
    """Normal numbers of a standard deviation.

    On the meta device there is nothing to scale, and arithmetic there imports PyTorch's compiler, which takes seconds.
    """
    noise = torch.randn(shape)
    return nn.Parameter(noise if noise.is_meta else scale * noise)
