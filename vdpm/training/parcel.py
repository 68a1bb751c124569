"""Tensors in one piece of memory, which is what workers hand over."""

from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from math import prod

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

LINE = 64
"""Bytes that tensors start at multiples of."""

Layout = tuple[tuple[str, torch.dtype, tuple[int, ...]], ...]
"""Names, types and shapes of tensors, in order."""


@dataclass(frozen=True, kw_only=True)
class Parcel:
    """Named tensors, one after another in `memory`."""

    memory: UInt8[Tensor, " N"]
    layout: Layout

    @classmethod
    def over(cls, memory: UInt8[Tensor, " M"], layout: Layout) -> "Parcel":
        """In the beginning of memory that is there."""
        return cls(memory=memory[: size(layout)], layout=layout)

    @cached_property
    def tensors(self) -> dict[str, Tensor]:
        """They share the memory of the parcel."""
        ends = _ends(self.layout)
        return {
            name: self.memory[end - prod(shape) * kind.itemsize : end].view(kind).view(shape)
            for (name, kind, shape), end in zip(self.layout, ends, strict=True)
        }

    def pin_memory(self) -> "Parcel":
        """In memory that a GPU reads by itself."""
        return Parcel(memory=self.memory.pin_memory(), layout=self.layout)

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """The same to be filled."""
        return {name: tensor.numpy() for name, tensor in self.tensors.items()}


def size(layout: Layout) -> int:
    """Bytes of a parcel, a multiple of `LINE`."""
    return _lines(_ends(layout)[-1])


def _ends(layout: Layout) -> list[int]:
    sizes = [prod(shape) * kind.itemsize for _, kind, shape in layout]
    starts = [0, *accumulate(_lines(size) for size in sizes)]
    return [start + size for start, size in zip(starts, sizes, strict=False)]


def _lines(size: int) -> int:
    return -(-size // LINE) * LINE
