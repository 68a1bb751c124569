"""Tensors in one piece of memory, which is what workers hand over: each tensor of its own would cost half a millisecond."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from math import prod

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor
from torch.utils.data import get_worker_info

LINE = 64
"""Bytes that tensors start at multiples of."""


@dataclass(frozen=True, kw_only=True)
class Parcel:
    """Named tensors, one after another in `memory`."""

    memory: UInt8[Tensor, " N"]
    layout: tuple[tuple[str, torch.dtype, tuple[int, ...]], ...]

    @cached_property
    def tensors(self) -> dict[str, Tensor]:
        """They share the memory of the parcel."""
        ends = _ends(self.layout)
        return {
            name: self.memory[end - prod(shape) * kind.itemsize : end].view(kind).view(shape)
            for (name, kind, shape), end in zip(self.layout, ends, strict=True)
        }

    def pin_memory(self) -> "Parcel":
        """In memory that a GPU reads by itself; `DataLoader` asks for it."""
        return Parcel(memory=self.memory.pin_memory(), layout=self.layout)

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """The same to be filled."""
        return {name: tensor.numpy() for name, tensor in self.tensors.items()}


def empty(layout: Mapping[str, tuple[torch.dtype, tuple[int, ...]]]) -> Parcel:
    """A parcel to be filled; in memory that is shared between processes where a worker of a `DataLoader` asks."""
    listed = tuple((name, kind, shape) for name, (kind, shape) in layout.items())
    size = _ends(listed)[-1]
    if not get_worker_info():
        return Parcel(memory=torch.empty(size, dtype=torch.uint8), layout=listed)
    shared = torch.UntypedStorage._new_shared(size)  # as PyTorch's own collation does: nothing is copied later
    return Parcel(memory=torch.empty(0, dtype=torch.uint8).set_(shared), layout=listed)


def _ends(layout: tuple[tuple[str, torch.dtype, tuple[int, ...]], ...]) -> list[int]:
    sizes = [prod(shape) * kind.itemsize for _, kind, shape in layout]
    starts = [0, *accumulate(-(-size // LINE) * LINE for size in sizes)]
    return [start + size for start, size in zip(starts, sizes, strict=False)]
