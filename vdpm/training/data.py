"""The endless stream of training batches.

    for batch in batches(DataConfig(sources="procedural:0.5 data/train:0.5"), seed=0, start=0): ...

Batch number n is a pure function of the configuration, the seed and n (and of the clips in the folders), whatever the
number of workers: training resumes exactly by starting at n.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Protocol, cast, runtime_checkable

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from vdpm.errors import UserError
from vdpm.training import augment, order, parcel, procedural, recorded, rendered, shards, windows
from vdpm.training.example import Example, collate, layout, opened, packed
from vdpm.training.parcel import Parcel
from vdpm.training.pool import AHEAD, Handed, Pool
from vdpm.training.prepared import Cache, prepare
from vdpm.training.remote import fetched, is_remote
from vdpm.training.sample import Batch
from vdpm.training.windows import Reference, Times


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """What a stream of batches is made of."""

    sources: str = "procedural"
    """Folders of shards, addresses of shards (https://host/train-{000..012}.tar), `procedural`, or a data set with tracks
    as DATASET=FOLDER (`vdpm.readers`), each with a weight: "procedural:0.5 data/train:0.3 pointodyssey:train=data/po:0.2"."""
    batch: int = 2
    """Windows a batch."""
    frames: tuple[int, ...] = (5,)
    """Lengths of windows; one of these is drawn for each batch."""
    size: int = 96
    """Side of the square images in pixels."""
    strides: tuple[int, int] = (1, 4)
    """Frames of the clip from one frame of a window to the next, lowest and highest."""
    reference: Reference = "any-of-both"
    """Which frame of a window is the first of the batch, whose camera is the frame of all points."""
    times: Times = "any"
    """Whose time Q is asked for."""
    clips: int = 0
    """Use no more clips of each folder, the same ones for every seed and more of the same for more; 0 for all."""
    workers: int = 0
    """Processes that make batches, one thread each; 0 makes them in this one."""
    cache: Path | None = None
    """Folder to keep prepared clips in, about 2.5 MB each at 128 x 128 pixels and 20 frames; and shards from addresses."""


@runtime_checkable
class Source(Protocol):
    """A set of clips of which windows are taken."""

    def __len__(self) -> int: ...

    def length(self, clip: int) -> int:
        """Frames of a clip."""
        ...

    def example(self, clip: int, window: windows.Window, size: int, rng: np.random.Generator) -> Example:
        """A window of a clip, coloured and cropped at random."""
        ...


class Rendered:
    """The clips of a folder of shards."""

    def __init__(self, folder: Path, cache: Cache | None, clips: int = 0):
        entries = shards.index(folder)
        kept = np.random.default_rng(0).permutation(len(entries))[: clips or None]
        self.entries, self.cache = tuple(entries[place] for place in sorted(kept)), cache

    def __len__(self) -> int:
        return len(self.entries)

    def length(self, clip: int) -> int:
        return self.entries[clip].frames

    def example(self, clip: int, window: windows.Window, size: int, rng: np.random.Generator) -> Example:
        entry = self.entries[clip]
        stored = self.cache.frames(entry, window.frames) if self.cache else prepare(entry, window.frames)
        crops = rendered.crops(stored, augment.draw_zoom(rng), size)
        images = augment.colours(rng, augment.resized(stored.rgb, crops))
        return replace(rendered.truth(stored, crops, window, entry.name), images=images)


class Recorded:
    """The sequences of somebody's data set; motion is known at tracked pixels."""

    def __init__(self, source: str, cache: Path | None, clips: int = 0):
        found = recorded.find(source, cache)
        kept = np.random.default_rng(0).permutation(len(found.there))[: clips or None]
        self.sequences = replace(found, there=tuple(found.there[place] for place in sorted(kept)))

    def __len__(self) -> int:
        return len(self.sequences.there)

    def length(self, clip: int) -> int:
        return self.sequences.frames(clip)

    def example(self, clip: int, window: windows.Window, size: int, rng: np.random.Generator) -> Example:
        kept = self.sequences.kept(clip, window.frames)
        return recorded.example(kept, window, size, rng, self.sequences.there[clip])


class Procedural:
    """Scenes that are drawn when they are asked for; the number of a clip is its seed."""

    def __len__(self) -> int:
        return 1 << 40

    def length(self, clip: int) -> int:
        return procedural.FRAMES

    def example(self, clip: int, window: windows.Window, size: int, rng: np.random.Generator) -> Example:
        return procedural.example(rng, window, size)


def parse(sources: str) -> dict[str, float]:
    """Names of sources and their weights. Raises `UserError` for a weight that is not positive or a name given twice."""
    found: dict[str, float] = {}
    for word in sources.split():
        match = re.fullmatch(r"(?P<name>.+?)(:(?P<weight>[0-9]*\.?[0-9]+))?", word)
        assert match is not None
        weight = float(match["weight"] or 1.0)
        if weight <= 0 or match["name"] in found:
            raise UserError(
                f"source {word!r}: each source once, with a weight above 0, as in procedural:0.5 data/train:0.5"
            )
        found[match["name"]] = weight
    if not found:
        raise UserError("no sources: name a folder of shards, or procedural")
    return found


def open_source(name: str, cache: Path | None, clips: int = 0) -> Source:
    """The source of a name. Raises `UserError` when it is neither `procedural` nor a data set nor a place with clips."""
    if name == "procedural":
        return Procedural()
    if "=" in name and not is_remote(name):
        return Recorded(name, cache, clips)
    folder = fetched(name, cache) if is_remote(name) else Path(name)
    return Rendered(folder, Cache(folder=cache) if cache else None, clips)


class Stream:
    """Batches by number."""

    def __init__(self, config: DataConfig, seed: int):
        weights = parse(config.sources)
        self.config, self.seed = config, seed
        self.weights = tuple(weights.values())
        self.sources = [open_source(name, config.cache, config.clips) for name in weights]

    def __getitem__(self, number: int) -> Batch:
        """Batch of a number."""
        return collate(self.examples(number))

    def examples(self, number: int) -> list[Example]:
        """What a batch is made of."""
        config = self.config
        length = int(np.random.default_rng((self.seed, 3, number)).choice(config.frames))
        first = number * config.batch
        return [self.example(first + place, length) for place in range(config.batch)]

    def example(self, number: int, length: int) -> Example:
        """Example of a number, not yet at unit scale."""
        config, rng = self.config, np.random.default_rng((self.seed, 4, number))
        which, nth = order.place(self.weights, self.seed, number)
        source = self.sources[which]
        clip = order.clip(self.seed, which, nth, len(source)) if len(source) < 1 << 32 else nth
        window = windows.draw(rng, source.length(clip), length, config.strides, config.reference, config.times)
        example = source.example(clip, window, config.size, rng)
        return augment.mirrored(example) if rng.random() < 0.5 else example


class Parcels:
    """Batches of a stream as workers hand them over."""

    def __init__(self, stream: Stream):
        config = stream.config
        self.stream = stream
        self.pool = Pool(config.workers, parcel.size(layout(config.batch, max(config.frames), config.size)))

    def __getitem__(self, number: int) -> tuple[Handed, tuple[str, ...]]:
        examples = self.stream.examples(number)
        found = self.pool.handed(packed(examples, self.pool.take()))
        return found, tuple(example.name for example in examples)


def batches(config: DataConfig, seed: int, start: int, step: int = 1) -> Iterator[Batch]:
    """Batches start, start + step, start + 2 step ...: process r of R takes `start + r` and step R."""
    stream = Stream(config, seed)
    if not config.workers:
        return (stream[number] for number in count(start, step))
    parcels = Parcels(stream)
    loader = DataLoader(
        cast("Dataset[tuple[Handed | Parcel, tuple[str, ...]]]", parcels),
        batch_size=None,
        sampler=count(start, step),
        num_workers=config.workers,
        prefetch_factor=AHEAD,
        worker_init_fn=_one_thread,
        collate_fn=_as_it_is,
        pin_memory=torch.cuda.is_available(),
    )
    return (opened(found.copied() if isinstance(found, Handed) else found, names) for found, names in loader)


def _as_it_is(item: object) -> object:
    return item


def _one_thread(worker: int) -> None:
    torch.set_num_threads(1)
