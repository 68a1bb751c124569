"""Check the ground truth of shards: cast every ray again, hold what is derived against it, and images against bodies.

    python -m generation.check data/train/*.tar
    python -m generation.check data/train/*.tar --costs     # megabytes and milliseconds, by family; checks nothing

It ends with a table of how exact each family is: the medians, over visible pixels, of how far derived points are from what
rays meet in other frames, and how many labels of visibility an oracle without rays confirms away from silhouettes; and with
one of how still things lie (`vdpm.resting`).

Exit status 0 if all clips are well, 2 if one is not or a shard cannot be read.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from tqdm import tqdm

from generation import costs
from vdpm import resting
from vdpm.errors import UserError, run_command
from vdpm.exactness import Exactness, measure
from vdpm.resting import Rest
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
    measured: dict[str, list[Exactness]] = {}
    rests: dict[str, list[Rest]] = {}
    for shard in config.shards:
        for clip in tqdm(read_shard(shard), desc=shard.name, unit="clip"):
            found = problems(clip)
            clips, bad = clips + 1, bad + bool(found)
            for problem in found:
                tqdm.write(f"{clip.name}: {problem}")
            if not found:
                family = str(clip.meta.get("family", "unknown"))
                measured.setdefault(family, []).append(measure(clip))
                rests.setdefault(family, []).append(resting.measure(clip))
    print(exactness_table(measured))
    print(rest_table(rests))
    if bad or not clips:
        raise UserError(f"{bad} of {clips} clips have something wrong; render them again")
    print(f"{clips} clips, nothing wrong")


def exactness_table(measured: dict[str, list[Exactness]]) -> str:
    """Means over the clips of each family, and the worst clip's agreement."""
    rows = ["family        clips  median px  median mm  visibility agrees (worst clip)"]
    for family, found in sorted(measured.items()):
        pixels, metres, agreement = np.mean([(e.pixels, e.metres, e.agreement) for e in found], axis=0)
        worst = min(e.agreement for e in found)
        rows.append(f"{family:13} {len(found):5} {pixels:10.1e} {metres * 1e3:10.1e}  {agreement:.3%} ({worst:.3%})")
    return "\n".join(rows)


def rest_table(measured: dict[str, list[Rest]]) -> str:
    """Of all things at rest of each family: at how many frames, how often and how far they go to and fro by more than 1 mm a
    frame; and how deep in the floor they are, and all things at any time."""
    rows = ["family        at rest  trembling  most mm  deepest mm (of all things)"]
    for family, found in sorted(measured.items()):
        excess = np.concatenate([rest.excess for rest in found])
        share, most = (float((excess > 1e-3).mean()), float(excess.max()) * 1e3) if len(excess) else (0.0, 0.0)
        deep, deepest = (
            1e3 * max(0.0, -min(depths))
            for depths in ([rest.lowest_at_rest for rest in found], [rest.lowest for rest in found])
        )
        rows.append(f"{family:13} {len(excess):7} {share:10.2%} {most:8.2f} {deep:11.2f} ({deepest:.2f})")
    return "\n".join(rows)


def print_costs(shards: tuple[Path, ...]) -> None:
    """Measure all clips of some shards."""
    measured = costs.no_costs()
    for shard in shards:
        for name, members in tqdm(read_members(shard), desc=shard.name, unit="clip"):
            costs.measure(measured, decode(name, members), members)
    print(costs.table(measured))


if __name__ == "__main__":
    run_command(lambda: main(tyro.cli(Config, description=__doc__)))
