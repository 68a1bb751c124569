"""What the network runs on, and how it multiplies there."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode


def best_device() -> torch.device:
    """The accelerator that is there, or the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


@contextmanager
def products(device: torch.device, bfloat16: bool) -> Iterator[None]:
    """Matrix products in bfloat16 if asked for; else in single precision, by what is fastest for it."""
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=bfloat16):
        if device.type == "cpu" and not bfloat16 and torch.backends.mkldnn.is_available():
            with OneDnn():
                yield
        else:
            yield


class OneDnn(TorchFunctionMode):
    """Linear layers in single precision by oneDNN, not MKL, which leaves half of the vector width of AMD's CPUs idle.

    The same sums in another order. Gradients are not its business.
    """

    def __torch_function__(
        self, func: Callable, types: Sequence[type], args: Sequence = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func is functional.linear and not kwargs and len(args) == 3 and not torch.is_grad_enabled():
            x, weight, bias = args
            if x.dtype == weight.dtype == torch.float32 and bias is not None:
                return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
        return func(*args, **(kwargs or {}))
