"""Check the ground truth of shards: cast every ray again, hold what is derived against it, and images against bodies.

    python -m generation.check data/train/*.tar
    python -m generation.check data/train/*.tar --costs     # megabytes and milliseconds, by family; checks nothing

Exit status 0 if all clips are well, 2 if one is not or a shard cannot be read.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from tqdm import tqdm

from generation import costs
from vdpm.errors import UserError, run_command
from vdpm.storage import decode, read_members, read_shard
from vdpm.verify import problems


@dataclass(frozen=True, kw_only=True)
class Config:
    """The command line."""

    shards: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Shards to check."""
    costs: bool = False
    """Measure instead: the size of the truth, and the time that one map of depth and one of points takes."""


def main(config: Config) -> None:
    """Print what is wrong, clip by clip, or what the truth costs, family by family."""
    if config.costs:
        print_costs(config.shards)
        return
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


def print_costs(shards: tuple[Path, ...]) -> None:
    """Measure all clips of some shards."""
    measured = costs.no_costs()
    for shard in shards:
        for name, members in tqdm(read_members(shard), desc=shard.name, unit="clip"):
            costs.measure(measured, decode(name, members), members)
    print(costs.table(measured))


if __name__ == "__main__":
    run_command(lambda: main(tyro.cli(Config, description=__doc__)))
