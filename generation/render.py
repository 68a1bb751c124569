"""Render clips of moving things with exact 4D ground truth into WebDataset shards.

    python generation/render.py --num 10000

Clips are numbered; the number, the family and the seed fix every byte of a clip on one kind of machine, whatever the
number of workers. Run the same command again to go on after an interruption, or with a larger --num to add clips.
"""

import re
from dataclasses import dataclass
from importlib.util import find_spec
from os import cpu_count
from pathlib import Path

import tyro
from tqdm import tqdm

from generation import families
from generation.dataset import Dataset, Id
from generation.make import Recipe
from generation.workers import Job, run
from vdpm.errors import UserError, run_command

SAMPLES = 16
"""Light paths per pixel before the denoiser: about 34 dB against 1024, the cheapest that looks clean."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """The command line."""

    num: int
    """How many clips."""
    first: int = 0
    """Number of the first clip, to share a dataset between machines: --first 5000 --num 5000 is its second half."""
    out: Path = Path("data/train")
    """Folder for the shards. Finished clips in it are kept and not made again."""
    family: str = "kubric_f"
    """Scene families, files of generation/scenes/: one, several with weights as in kubric_g:2,room, or all."""
    resolution: str = "256x256"
    """WIDTHxHEIGHT in pixels."""
    frames: int = 24
    """Frames per clip; 12 a second."""
    seed: int = 0
    """Seed of the dataset. Any integer from 0 on; 0 is a seed like the others."""
    workers: int = cpu_count() or 1
    """Processes, each on one core. Has no influence on the result."""


NEEDS = ("bpy", "embreex", "kubric", "pybullet")


def check(config: Config) -> tuple[list[Id], Recipe]:
    """The clips and the recipe asked for; raises `UserError` on the first value that makes no sense."""
    if missing := [name for name in NEEDS if find_spec(name) is None]:
        raise UserError(
            f"{', '.join(missing)} not installed: make .venv/.installed-demo, or pip install '.[generation]'"
        )
    for name, lowest, hint in (
        ("num", 1, "the number of clips"),
        ("first", 0, "the number of the first clip"),
        ("frames", 2, "a clip needs motion"),
        ("seed", 0, "0 is a seed too"),
        ("workers", 1, "one process at least"),
    ):
        if getattr(config, name) < lowest:
            raise UserError(f"--{name} {getattr(config, name)}: must be {lowest} or more ({hint})")
    size = re.fullmatch(r"(\d{2,4})x(\d{2,4})", config.resolution)
    if size is None:
        raise UserError(
            f"--resolution {config.resolution}: write WIDTHxHEIGHT, each of 10 to 9999 pixels, as in 256x256"
        )
    clips = families.mixture(config.family, range(config.first, config.first + config.num))
    recipe = Recipe(seed=config.seed, resolution=(int(size[1]), int(size[2])), frames=config.frames, samples=SAMPLES)
    return clips, recipe


def main(config: Config) -> None:
    """Make the missing clips, then pack what is finished into shards, also when interrupted."""
    wanted, recipe = check(config)
    dataset = Dataset(config.out, recipe)
    missing = dataset.missing(wanted)
    try:
        failures = render(dataset, missing, config.workers, len(wanted))
    finally:
        dataset.pack(wanted)
    report(dataset, len(wanted), failures)


def render(dataset: Dataset, missing: list[Id], workers: int, total: int) -> list[str]:
    """Make clips with a progress bar; the failures, one line each."""
    jobs = [
        Job(family=family, index=index, recipe=dataset.recipe, path=dataset.staged((family, index)))
        for family, index in missing
    ]
    failures = []
    with tqdm(total=total, initial=total - len(jobs), unit="clip", smoothing=0.1) as bar:
        for outcome in run(jobs, workers):
            bar.update()
            if outcome.failure:
                failures.append(f"{outcome.job.path.stem}: {outcome.failure}")
    return failures


def report(dataset: Dataset, wanted: int, failures: list[str]) -> None:
    """Say what there is now. Failed clips are a `UserError` at the very end, when all others are safe."""
    print(f"{wanted - len(failures)} of {wanted} clips are in {dataset.folder}")
    if failures:
        listed = "; ".join(failures[:3])
        raise UserError(
            f"{len(failures)} clips failed ({listed}); the others are kept, the same command tries these again"
        )


if __name__ == "__main__":
    run_command(lambda: main(tyro.cli(Config, description=__doc__)))
