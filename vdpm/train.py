"""Train a network on shards, on procedural scenes, or on both.

    python -m vdpm.train --preset tiny --data procedural:0.3 data/train:0.7 --out runs/tiny
    torchrun --nproc-per-node 8 -m vdpm.train --preset paper --init path/to/vggt-1b.pt --data data/train --out runs/paper

The same command goes on from the newest checkpoint of --out, bit for bit on a CPU. `tensorboard --logdir RUN` shows the
curves, which are also in RUN/curve.jsonl. Exit status: 0 done; 2 bad input or a loss that exploded; 130 interrupted.
"""

import json
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from vdpm.errors import UserError, run_command
from vdpm.files import replacing

if TYPE_CHECKING:
    from vdpm.training.data import DataConfig
    from vdpm.training.presets import Preset


@dataclass(frozen=True, kw_only=True)
class Config:
    """The command line."""

    preset: str = "tiny"
    """tiny, small, farther (goes on from `small`) or paper (`vdpm/training/presets.py`)."""
    data: tuple[str, ...] = ("procedural",)
    """Sources with weights, as in procedural:0.3 data/train:0.7; a source is `procedural`, a folder of shards, or a data set
    with tracks, as in pointodyssey:train=data/po."""
    out: Path = Path("runs/train")
    """Folder of the run."""
    init: str = ""
    """Weights to start from: a file, a folder or a repository of the hub; VGGT-1B's serve too. Nothing by default."""
    steps: int = 0
    """Length of the run; that of the preset by default. The learning rate is planned for it."""
    batch: int = 0
    """Windows that go through the network together; those of the preset by default."""
    accumulate: int = 0
    """Batches of a step, over all processes; those of the preset by default. More of smaller ones take less memory."""
    frames: tuple[int, ...] = ()
    """Lengths of windows; those of the preset by default."""
    strides: tuple[int, int] | None = None
    """Fewest and most frames of the clip from one frame of a window to the next; those of the preset by default."""
    only: tuple[str, ...] = ()
    """Parts of the network that learn, as in motion; all by default."""
    lr: float = 0.0
    """Full height of the learning rate; that of the preset by default."""
    seed: int = 0
    """Of the weights and of the order of the data."""
    workers: int = 1
    """Processes that make batches, for each process that trains, with shared memory for three batches each. Has no
    influence on the result."""
    cache: Path | None = None
    """Folder to keep prepared clips in, about 2.5 MB each at 128 x 128 pixels and 20 frames; may be deleted at any time."""
    threads: int = 0
    """Threads of the CPU for the network; as many as PyTorch chooses by default."""
    engine: str = "auto"
    """Under torchrun: ddp, fsdp, or auto: fsdp for `paper`, ddp else."""
    save_every: int = 500
    """Steps from one checkpoint to the next."""
    log_every: int = 20
    """Steps from one row of the curve to the next."""


def plan(config: Config) -> "tuple[Preset, DataConfig]":
    """Preset and data asked for. Raises `UserError` on the first value that makes no sense."""
    from vdpm.training.data import DataConfig
    from vdpm.training.presets import find_preset

    preset = find_preset(config.preset)
    for name in ("steps", "batch", "accumulate", "lr", "workers", "threads"):
        if getattr(config, name) < 0:
            raise UserError(f"--{name} {getattr(config, name)}: must not be negative")
    for name in ("save_every", "log_every"):
        if getattr(config, name) < 1:
            raise UserError(f"--{name.replace('_', '-')} {getattr(config, name)}: must be 1 or more")
    if config.engine not in ("auto", "ddp", "fsdp"):
        raise UserError(f"--engine {config.engine}: choose ddp, fsdp or auto")
    if config.strides and not 1 <= config.strides[0] <= config.strides[1]:
        raise UserError(f"--strides {config.strides[0]} {config.strides[1]}: fewest first, and at least 1")
    asked = {
        name: getattr(config, name) for name in ("steps", "batch", "accumulate", "frames", "strides", "lr", "only")
    }
    preset = replace(preset, **{name: value for name, value in asked.items() if value})
    data = DataConfig(
        sources=" ".join(config.data),
        batch=preset.batch,
        frames=preset.frames,
        size=preset.size,
        strides=preset.strides,
        reference=preset.reference,
        workers=config.workers,
        cache=config.cache,
    )
    return preset, data


def main(config: Config) -> None:
    """Train until the steps are done."""
    import torch

    from vdpm.training.begin import begin
    from vdpm.training.data import batches
    from vdpm.training.learner import Learner
    from vdpm.training.loop import Pace, Trainer
    from vdpm.training.parallel import joined

    preset, data = plan(config)
    if config.threads:
        torch.set_num_threads(config.threads)
    torch.backends.cudnn.benchmark = True  # images are of one size
    with joined() as place:
        if preset.accumulate % place.world:
            preset = replace(preset, accumulate=place.world * -(-preset.accumulate // place.world))
        learner = Learner(begin(config.init, preset.sizes, config.seed), preset)
        engine = "fsdp" if config.engine == "auto" and config.preset == "paper" else "ddp"
        trainer = Trainer(config.out, learner, place, "fsdp" if config.engine == "fsdp" else engine)
        torch.manual_seed(config.seed)
        resumed = trainer.resume()
        if place.first:
            write_config(config)
            print(
                f"{'going on at' if resumed else 'from'} step {trainer.progress.step} of {preset.steps}",
                file=sys.stderr,
            )
        start = trainer.progress.step * preset.accumulate + place.rank
        trainer.train(
            batches(data, config.seed, start, place.world), Pace(log=config.log_every, save=config.save_every)
        )


def write_config(config: Config) -> None:
    """Keep the command line with the run."""
    with replacing(config.out / "config.json") as file:
        file.write(json.dumps(asdict(config), indent=1, default=str).encode())


if __name__ == "__main__":
    run_command(lambda: main(tyro.cli(Config, description=__doc__)))
