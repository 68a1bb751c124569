"""Tables that depend on sizes alone are made once."""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TypeVar

import torch

T = TypeVar("T")
KEPT = 32
"""Tables of each kind; those of one resolution are a handful, each at most a megabyte or two."""


def kept(make: Callable[..., T]) -> Callable[..., T]:
    """Remember what a function of hashable arguments made.

    A traced graph makes its own: a tensor of the tracer must never be remembered. What is remembered can serve training
    even when it was made in inference mode.
    """

    @lru_cache(maxsize=KEPT)
    def made(*arguments: object) -> T:
        with torch.inference_mode(False), torch.no_grad():
            return make(*arguments)

    @wraps(make)
    def call(*arguments: object) -> T:
        return make(*arguments) if torch.compiler.is_compiling() else made(*arguments)

    return call
