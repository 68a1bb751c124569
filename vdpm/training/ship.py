"""Make weights small enough to come with the package: half precision, one file.

python -m vdpm.training.ship --weights runs/tiny/checkpoints/00003000 --out vdpm/weights/tiny --licence CC0-1.0
"""

from dataclasses import dataclass
from pathlib import Path

import tyro

from vdpm.errors import UserError, run_command
from vdpm.model.weights import read_network, write_weights

LARGEST = 25_000_000
"""Bytes that a package should carry at most."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Make weights small enough to come with the package."""

    weights: Path
    """A checkpoint of a run, or any weights of ours."""
    out: Path
    """Folder for model.safetensors."""
    licence: str = ""
    """Of the weights; it is shown when they are read."""


def main(config: Config) -> Path:
    """Write the file. Raises `UserError` when it is too large, or a weight is beyond half precision."""
    network = read_network(config.weights)
    halves = {name: tensor.half() for name, tensor in network.state_dict().items()}
    wrong = [name for name, tensor in halves.items() if not tensor.isfinite().all()]
    if wrong:
        raise UserError(f"weights {config.weights} are too large for half precision: {', '.join(wrong[:3])}")
    size = sum(tensor.numel() * 2 for tensor in halves.values())
    if size > LARGEST:
        raise UserError(f"weights {config.weights} take {size} bytes, more than {LARGEST}: they need not be shipped")
    return write_weights(halves, network.sizes, config.licence or network.licence, config.out)


if __name__ == "__main__":
    run_command(lambda: print(main(tyro.cli(Config, description=__doc__))))
