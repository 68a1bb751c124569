"""Make weights small enough to come with the package: half precision, one file.

    python -m vdpm.training.ship --weights runs/tiny/checkpoints/00003000 --out vdpm/weights/small --licence CC0-1.0

Several weights of one run are averaged, which takes out the noise of a high learning rate as lowering it would do
(Izmailov et al. 2018).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import tyro
from torch import Tensor

from vdpm.errors import UserError, run_command
from vdpm.model.network import Network
from vdpm.model.weights import read_network, write_weights

LARGEST = 25_000_000
"""Bytes that a package should carry at most."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Make weights small enough to come with the package."""

    weights: tuple[Path, ...]
    """Checkpoints of a run, or any weights of ours; their mean if they are several."""
    out: Path
    """Folder for model.safetensors."""
    licence: str = ""
    """Of the weights; it is shown when they are read."""


def main(config: Config) -> Path:
    """Write the file. Raises `UserError` when it is too large, or a weight is beyond half precision."""
    networks = [read_network(path) for path in config.weights]
    network, named = networks[0], ", ".join(map(str, config.weights))
    if any(other.sizes != network.sizes for other in networks):
        raise UserError(f"weights {named} are of several sizes, and have no mean")
    halves = {name: tensor.half() for name, tensor in mean(networks).items()}
    wrong = [name for name, tensor in halves.items() if not tensor.isfinite().all()]
    if wrong:
        raise UserError(f"weights {named} are too large for half precision: {', '.join(wrong[:3])}")
    size = sum(tensor.numel() * 2 for tensor in halves.values())
    if size > LARGEST:
        raise UserError(f"weights {named} take {size} bytes, more than {LARGEST}: they need not be shipped")
    return write_weights(halves, network.sizes, config.licence or network.licence, config.out)


def mean(networks: Sequence[Network]) -> dict[str, Tensor]:
    """Mean of each parameter over networks of one size."""
    states = [network.state_dict() for network in networks]
    return {name: torch.stack([state[name].double() for state in states]).mean(dim=0) for name in states[0]}


if __name__ == "__main__":
    run_command(lambda: print(main(tyro.cli(Config, description=__doc__))))
