"""What truth costs: megabytes on disk beside the images, milliseconds to derive one map of it."""

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from vdpm import derive
from vdpm.clip import Clip

RUNS = 5
"""The fastest of so many counts: the others had company."""


@dataclass
class Cost:
    """Of the clips of one family."""

    megabytes: list[float] = field(default_factory=list)
    """Of all members but the images."""
    images: list[float] = field(default_factory=list)
    depth: list[float] = field(default_factory=list)
    """CPU milliseconds for the depth of one frame."""
    points: list[float] = field(default_factory=list)
    """CPU milliseconds for one P_i(t_j), from stored arrays to an image."""


Costs = defaultdict[str, Cost]


def no_costs() -> Costs:
    """Nothing measured yet."""
    return defaultdict(Cost)


def measure(costs: Costs, clip: Clip, members: dict[str, bytes]) -> None:
    """Add a clip to the costs of its family."""
    cost = costs[str(clip.meta.get("family", clip.name.partition("-")[0]))]
    images = sum(len(data) for name, data in members.items() if name.startswith("rgb."))
    cost.images.append(images / 1e6)
    cost.megabytes.append(sum(len(data) for data in members.values()) / 1e6 - images / 1e6)
    middle, last = len(clip.rgb) // 2, len(clip.rgb) - 1
    cost.depth.append(_milliseconds(lambda: derive.depth(clip, middle)))
    cost.points.append(_milliseconds(lambda: derive.point_map(clip, derive.hits(clip, middle), last, middle)))


def _milliseconds(work: Callable[[], object]) -> float:
    spent = []
    for _ in range(RUNS):
        start = time.process_time()
        work()
        spent.append(time.process_time() - start)
    return 1e3 * min(spent)


def table(costs: Costs) -> str:
    """Means by family and over all clips."""
    rows = ["family        clips  truth MB  images MB  depth ms  P_i(t_j) ms"]
    whole = Cost()
    for name in sorted(costs):
        rows.append(_row(name, costs[name]))
        for column in vars(whole):
            getattr(whole, column).extend(getattr(costs[name], column))
    return "\n".join([*rows, _row("all", whole)])


def _row(name: str, cost: Cost) -> str:
    means = (float(np.mean(values)) for values in (cost.megabytes, cost.images, cost.depth, cost.points))
    truth, images, depth, points = means
    return f"{name:13} {len(cost.depth):5} {truth:9.2f} {images:10.2f} {depth:9.1f} {points:12.1f}"
