"""Score the checkpoints of a run as they appear, by the benchmark, beside the training.

    python -m vdpm.training.follow --run runs/tiny              # until Ctrl-C
    python -m vdpm.training.follow --run runs/tiny --once       # the newest checkpoint

The scores go to RUN/validation.jsonl, which `vdpm.training.plots` draws with the curves of training.
"""

import time
from dataclasses import dataclass
from pathlib import Path

import tyro

from vdpm.errors import UserError, run_command
from vdpm.training import checkpoint
from vdpm.training.validate import validate


@dataclass(frozen=True, kw_only=True)
class Config:
    """The command line."""

    run: Path
    """Folder of the run, --out of the training."""
    suite: str = "mini"
    """A frozen suite, or a folder of shards."""
    once: bool = False
    """Stop after the newest checkpoint."""
    every: float = 60.0
    """Seconds between looks for a new one."""


def main(config: Config) -> None:
    """Follow a run."""
    if not config.run.is_dir():
        raise UserError(f"--run {config.run}: no such folder; name the --out of a training")
    last = None
    while True:
        newest = checkpoint.newest(config.run)
        if newest is None and config.once:
            raise UserError(f"--run {config.run} has no checkpoint yet")
        if newest is not None and newest != last:
            row = validate(config.run, newest, config.suite)
            print(", ".join(f"{name} {value:.4g}" for name, value in row.items() if wanted(name)), flush=True)
            last = newest
        if config.once:
            return
        time.sleep(config.every)


def wanted(name: str) -> bool:
    """Whether a score is worth a line on the screen."""
    return name == "step" or name.endswith(("displacement_error_pooled", "depth_absrel", "pose_ate"))


if __name__ == "__main__":
    run_command(lambda: main(tyro.cli(Config, description=__doc__, config=(tyro.conf.FlagCreatePairsOff,))))
