"""Does the loader keep up? Windows a second against the bare limit, and memory over an epoch.

    python -m vdpm.training.bench --data.sources data/train --data.workers 2

The bare limit reads the same clips from the same tars with the same number of workers and decodes all of their JPEGs, and
does nothing with them. A window of the loader shows one clip, so that both count clips. Linux only.
"""

import io
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import count, islice
from multiprocessing import active_children
from pathlib import Path
from typing import Any, cast

import numpy as np
import tyro
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from vdpm.errors import UserError, run_command
from vdpm.training import order
from vdpm.training.data import DataConfig, Rendered, batches, open_source, parse


@dataclass(frozen=True, kw_only=True)
class Config:
    """The command line."""

    data: DataConfig = field(default_factory=lambda: DataConfig(sources="data/train", batch=1, workers=1))
    """One folder of shards, and how windows are taken of it."""
    windows: int = 0
    """How many to time; an epoch by default."""


class Bare:
    """Clips read and decoded, in the order in which the loader shows them."""

    def __init__(self, source: Rendered, seed: int, frames: int | None):
        self.entries, self.seed, self.frames = source.entries, seed, frames

    def __getitem__(self, number: int) -> int:
        entry = self.entries[order.clip(self.seed, 0, number, len(self.entries))]
        members = entry.read(*entry.members) if self.frames is None else entry.read(*entry.rgb[: self.frames])
        images = [np.asarray(Image.open(io.BytesIO(members[name]))) for name in entry.rgb[: self.frames]]
        return len(images)


def endless(dataset: object, workers: int) -> Iterator[Any]:
    """Items 0, 1, 2 ... of a dataset, by worker processes as the loader's."""
    items = cast("Dataset[Any]", dataset)
    return iter(DataLoader(items, batch_size=None, sampler=count(), num_workers=workers))


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Of a number of clips."""

    rate: float
    """Clips a second."""
    milliseconds: float
    """Of processors for a clip: unlike the rate, it does not depend on what else the machine does."""
    memory: tuple[float, ...]
    """MiB at 11 moments, evenly spread."""

    def line(self, title: str, limit: "Cost") -> str:
        """A row of the table."""
        shown = " -> ".join(f"{self.memory[place]:.0f}" for place in (0, 5, 10))
        share = f"{self.rate / limit.rate:6.0%} {limit.milliseconds / self.milliseconds:6.0%}"
        return f"{title:44}{self.rate:8.1f}{self.milliseconds:9.2f} {share}   {shown}"


def timed(items: Iterator[Any], number: int, each: int) -> Cost:
    """What so many items of `each` clips cost, after some that are not counted."""
    for _ in islice(items, max(2, number // 20)):
        pass
    memory, started, before = [resident()], time.perf_counter(), processor()
    for done, _ in enumerate(islice(items, number), 1):
        if done * 10 // number > (done - 1) * 10 // number:
            memory += [resident()] * (done * 10 // number - (done - 1) * 10 // number)
    seconds, worked = time.perf_counter() - started, processor() - before
    return Cost(rate=number * each / seconds, milliseconds=1e3 * worked / number / each, memory=tuple(memory))


def _processes() -> list[str]:
    return ["self", *(str(child.pid) for child in active_children())]


def resident() -> float:
    """MiB of memory that this process and its workers hold and share with nobody."""
    pages = 0
    for pid in _processes():
        _, held, shared, *_ = map(int, Path(f"/proc/{pid}/statm").read_text().split())
        pages += held - shared
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def processor() -> float:
    """Seconds of processors that this process and its workers have used."""
    ticks = 0
    for pid in _processes():
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(after_name[11]) + int(after_name[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def main(config: Config) -> None:
    """Print the table."""
    names = list(parse(config.data.sources))
    source = open_source(names[0], None)
    if len(names) > 1 or not isinstance(source, Rendered):
        raise UserError(
            f"--data.sources {config.data.sources}: name one folder of shards, only these are read from tars"
        )
    number, workers, each = config.windows or len(source), config.data.workers, config.data.batch
    print(f"{len(source)} clips, {number} timed, windows of {config.data.frames} frames, {workers} workers")
    print(f"{'':44}clips/s  CPU ms   share of limit   MiB at start, middle, end")
    limit = timed(endless(Bare(source, 0, None), workers), number, 1)
    print(limit.line("bare: tar read, JPEG decode of whole clips", limit))
    frames = max(config.data.frames)
    print(timed(endless(Bare(source, 0, frames), workers), number, 1).line(f"bare: of {frames} frames of each", limit))
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        cached = replace(config.data, cache=config.data.cache or Path(folder))
        for title, data in (
            ("loader, without a cache", replace(config.data, cache=None)),
            ("loader, filling the cache", cached),
            ("loader, from the cache", cached),
        ):
            cost = timed(batches(data, 0, 0), max(2, number // each), each)
            print(cost.line(title, limit))


if __name__ == "__main__":
    run_command(lambda: main(tyro.cli(Config, description=__doc__)))
