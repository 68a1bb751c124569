"""What the network runs on."""

import torch


def best_device() -> torch.device:
    """The accelerator that is there, or the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def autocast(device: torch.device, bfloat16: bool) -> torch.autocast:
    """Matrix products in half of the digits, on whatever device it is; nothing changes unless asked for."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=bfloat16)
