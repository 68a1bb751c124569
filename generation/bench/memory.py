"""What worker processes hold as they make clip after clip: flat, or they are replaced too late.

python -m generation.bench.memory --clips 200
"""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from generation import families
from generation.executors import local
from generation.jobs import Job, Limits, Plan
from generation.make import Recipe
from vdpm.errors import UserError, run_command

BLOCK = 20
"""Clips to a line."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """The command line."""

    clips: int = 200
    """How many."""
    family: str = "all"
    """Scene families, as for generation/render.py."""
    resolution: int = 64
    """Width and height of the frames, pixels."""
    frames: int = 3
    """Frames per clip."""
    workers: int = 1
    """Processes."""
    limits: Annotated[Limits, tyro.conf.arg(name="")] = field(default_factory=Limits)


def main(config: Config) -> None:
    """Print the most that a worker held, block by block. Raises `UserError` if the last blocks hold more than the first."""
    size = (config.resolution, config.resolution)
    recipe = Recipe(seed=0, resolution=size, frames=config.frames, samples=1)
    held = []
    with tempfile.TemporaryDirectory() as folder:
        jobs = [
            Job(family=family, index=index, recipe=recipe, path=Path(folder) / f"{family}-{index}.tar")
            for family, index in families.mixture(config.family, range(config.clips))
        ]
        for outcome in local.run(jobs, Plan(workers=config.workers, limits=config.limits)):
            outcome.job.path.unlink(missing_ok=True)
            held.append(outcome.megabytes)
            if len(held) % BLOCK == 0:
                print(
                    f"clips {len(held) - BLOCK:4d} to {len(held):4d}: at most {max(held[-BLOCK:]):6.0f} MB", flush=True
                )
    half = len(held) // 2
    first, second = max(held[:half], default=0.0), max(held[half:], default=0.0)
    print(f"first half at most {first:.0f} MB, second half {second:.0f} MB")
    if second > 1.25 * first:
        raise UserError("memory grows: lower --recycle or --recycle-clips")


if __name__ == "__main__":
    run_command(lambda: main(tyro.cli(Config, description=__doc__)))
