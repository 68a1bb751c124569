"""Check the ground truth of shards: cast every ray again, hold what is derived against it, and images against bodies.

    python -m generation.check data/train/*.tar

Exit status 0 if all clips are well, 2 if one is not or a shard cannot be read.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from tqdm import tqdm

from vdpm.errors import UserError, run_command
from vdpm.storage import read_shard
from vdpm.verify import problems


@dataclass(frozen=True, kw_only=True)
class Config:
    """The command line."""

    shards: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Shards to check."""


def main(config: Config) -> None:
    """Print what is wrong, clip by clip."""
    clips = bad = 0
    for shard in config.shards:
        for clip in tqdm(read_shard(shard), desc=shard.name, unit="clip"):
            found = problems(clip)
            clips, bad = clips + 1, bad + bool(found)
            for problem in found:
                tqdm.write(f"{clip.name}: {problem}")
    if bad or not clips:
        raise UserError(f"{bad} of {clips} clips have something wrong; render them again")
    print(f"{clips} clips, nothing wrong")


if __name__ == "__main__":
    run_command(lambda: main(tyro.cli(Config, description=__doc__)))
