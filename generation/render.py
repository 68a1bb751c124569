"""Render clips of moving things with exact 4D ground truth into WebDataset shards.

    python generation/render.py --num 10000

Clips are numbered; the number, the family and the seed fix every byte of a clip on one kind of machine, whatever the
number of workers. Run the same command again to go on after an interruption, or with a larger --num to add clips.
Exit status: 0 if all clips are there, 3 if some were drawn again because they crashed or took too long, 2 if not all are.
"""

import re
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from os import cpu_count
from pathlib import Path
from typing import Annotated

import tyro

from generation import choice, devices, executing, families
from generation.dataset import CLIPS_PER_SHARD, Dataset, Id, shard_of, shards_of
from generation.jobs import Limits, Plan
from generation.library import open_library
from generation.make import Recipe
from generation.produce import produce
from vdpm.errors import UserError, run_command


@dataclass(frozen=True, kw_only=True)
class Config:
    """The command line."""

    num: int
    """How many clips."""
    first: int = 0
    """Number of the first clip, to share a dataset between machines: --first 5000 --num 5000 is its second half."""
    shards: str | None = None
    """A:B makes only shards A to B - 1 of these clips, N only shard N: for batch queues. Any machine can make any shard."""
    out: str = "data/train"
    """Folder or fsspec URL (s3://..., gs://..., hf://...) for the shards. What is finished there is not made again."""
    staging: Path | None = None
    """Folder of this machine for clips that wait for their shard; OUT/clips, or for a URL one in ~/.cache/open4d."""
    family: str = "kubric_f"
    """Scene families, files of generation/scenes/: one, several with weights as in kubric_g:2,room, or all."""
    resolution: str = "256x256"
    """WIDTHxHEIGHT in pixels."""
    frames: int = 24
    """Frames per clip; 12 a second."""
    samples: int = 16
    """Light paths per pixel before the denoiser. 16: about 34 dB against 1024, the cheapest that looks clean."""
    subpixels: int = 1
    """2 renders and denoises each pixel as 2 x 2 with a share of its samples each, and filters them down: sharper and nearer
    to the truth for the same number of samples, at the price of denoising four times as many."""
    neighbours: int = 0
    """Frames before and after that each frame shares light with, along true motion, as in 2; for --subpixels 2. Nearer to the
    truth for the same number of samples."""
    seed: int = 0
    """Seed of the dataset. Any integer from 0 on; 0 is a seed like the others."""
    workers: int = cpu_count() or 1
    """Processes, each on one core. Has no influence on the result."""
    device: str = "cpu"
    """cpu, cuda, optix, hip, metal, or auto: the fastest here. The same bytes come from cpu alone, on machines of a kind."""
    engine: str = "cycles"
    """cycles traces paths; eevee rasterises through OpenGL, which is for GPUs: its bytes depend on the driver."""
    executor: str = "local"
    """Where clips are made: a file of generation/executors/. ray: on a Ray cluster."""
    address: str | None = None
    """Address of the cluster, as in ray://head:10001 or auto."""
    quiet: bool = False
    """No progress bar, for logs. OUT/status.json tells all the same."""
    limits: Annotated[Limits, tyro.conf.arg(name="")] = field(default_factory=Limits)
    motion_blur: float = 0.0
    """Share of the time between frames for which the shutter is open, as in 0.5; ray traced. Truth stays the same."""
    depth_of_field: float | None = None
    """f-number of the lens, as in 0.3; what moves is in focus. Truth stays the same."""
    glass: float = 0.0
    """Share of the things that are of glass, as in 0.2. Truth stays the same: that of the first surface met."""
    assets: str | None = None
    """Models to draw from: a folder of GLB, OBJ or PLY files with licences, a manifest of Kubric's, or several, by commas."""
    split: choice.Split = "train"
    """Assets to draw from: one in ten is for test, by a hash of its name."""


NEEDS = ("bpy", "embreex", "kubric", "pybullet")


def check(config: Config) -> tuple[list[Id], Recipe]:
    """The clips and the recipe asked for; raises `UserError` on the first value that makes no sense."""
    if config.address is None and (missing := [name for name in NEEDS if find_spec(name) is None]):
        raise UserError(
            f"{', '.join(missing)} not installed: make .venv/.installed-demo, or pip install '.[generation]'"
        )
    for name, lowest, hint in (
        ("num", 1, "the number of clips"),
        ("first", 0, "the number of the first clip"),
        ("frames", 2, "a clip needs motion"),
        ("seed", 0, "0 is a seed too"),
        ("samples", 1, "16 is a good start"),
        ("workers", 1, "one process at least"),
        ("subpixels", 1, "1 renders pixels as they are"),
        ("neighbours", 0, "0 leaves frames to themselves"),
    ):
        if getattr(config, name) < lowest:
            raise UserError(f"--{name} {getattr(config, name)}: must be {lowest} or more ({hint})")
    executing.check(config.executor)
    devices.check(config.device, config.engine)
    size = re.fullmatch(r"(\d{2,4})x(\d{2,4})", config.resolution)
    if size is None:
        raise UserError(
            f"--resolution {config.resolution}: write WIDTHxHEIGHT, each of 10 to 9999 pixels, as in 256x256"
        )
    if config.samples % config.subpixels**2:
        raise UserError(
            f"--samples {config.samples} --subpixels {config.subpixels}: samples must be a multiple of {config.subpixels**2}"
        )
    if config.subpixels > 1 and config.engine == "eevee":
        raise UserError(f"--subpixels {config.subpixels} --engine eevee: sub-pixels are for cycles, which denoises")
    if config.neighbours and config.subpixels == 1:
        raise UserError(f"--neighbours {config.neighbours}: only sub-pixels share light; add --subpixels 2")
    if config.neighbours and (config.motion_blur or config.depth_of_field):
        raise UserError(
            f"--neighbours {config.neighbours}: blurred pixels are not of one point; leave out --motion-blur and --depth-of-field"
        )
    if not 0 <= config.motion_blur <= 1:
        raise UserError(f"--motion-blur {config.motion_blur}: 0 to 1, the share of a frame's time with an open shutter")
    if not 0 <= config.glass <= 1:
        raise UserError(f"--glass {config.glass}: 0 to 1, the share of the things that are of glass")
    if config.depth_of_field is not None and not config.depth_of_field > 0:
        raise UserError(f"--depth-of-field {config.depth_of_field}: an f-number above 0; leave it out for a pinhole")
    if config.assets is not None:
        open_library(config.assets)  # copied, licensed and locked before any worker asks
    clips = families.mixture(config.family, range(config.first, config.first + config.num))
    recipe = Recipe(
        seed=config.seed,
        resolution=(int(size[1]), int(size[2])),
        frames=config.frames,
        samples=config.samples,
        motion_blur=config.motion_blur,
        depth_of_field=config.depth_of_field,
        glass=config.glass,
        assets=config.assets,
        split=config.split,
        engine=config.engine,
        subpixels=config.subpixels,
        neighbours=config.neighbours,
    )
    return clips if config.shards is None else select(clips, config.shards), recipe


def select(clips: list[Id], spec: str) -> list[Id]:
    """The clips of some of their shards, "A:B" or "N", counted over the sorted shards of all families."""
    shards = shards_of(clips)
    match = re.fullmatch(r"(\d+)(?::(\d+))?", spec)
    start = int(match[1]) if match else len(shards)
    stop = int(match[2]) if match and match[2] else start + 1
    if not start < min(stop, len(shards)):
        raise UserError(
            f"--shards {spec}: write A:B or N; these clips are shards 0:{len(shards)}, {CLIPS_PER_SHARD} clips each at most"
        )
    chosen = set(shards[start:stop])
    return [clip for clip in clips if shard_of(clip) in chosen]


def main(config: Config) -> None:
    """Make what is missing."""
    wanted, recipe = check(config)
    recipe = replace(recipe, device=devices.resolve(config.device, config.engine))
    dataset = Dataset(config.out, recipe, config.staging)
    plan = Plan(workers=config.workers, limits=config.limits, address=config.address)
    part = "" if config.shards is None else f"-{config.shards.replace(':', '-')}"
    produce(dataset, wanted, config.executor, plan, config.quiet, f"status{part}.json")


if __name__ == "__main__":
    run_command(lambda: main(tyro.cli(Config, description=__doc__)))
