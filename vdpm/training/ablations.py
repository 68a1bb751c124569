"""Tables of what matters in training: every variant with every seed, trained alike and measured on held-out windows.

    python -m vdpm.training.ablations choices --data procedural:0.3 data/train:0.7    # what V-DPM's paper leaves open
    python -m vdpm.training.ablations clips --clips 8 24 --data procedural:0.3 data/train:0.7     # does more data help?
    python -m vdpm.training.ablations matching --data procedural:0.3 data/train:0.7   # with and without correspondences
    python -m vdpm.training.ablations choices --only confidence --seeds 1             # a share of it, for another machine

Each run goes on where it stopped and finished ones are kept, also by the other tables, which share the base. The table is
written anew after each run, as OUT/<study>.md, .json and .png: means over seeds with the range over them.
"""

import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from vdpm.errors import UserError, run_command, unknown

if TYPE_CHECKING:
    from vdpm.training.data import DataConfig
    from vdpm.training.loop import Trainer
    from vdpm.training.presets import Preset

VARIANTS: dict[str, dict[str, object]] = {
    "base": {},
    "reference-first": {"reference": "first"},
    "reference-central": {"reference": "central"},
    "time-other": {"times": "other"},
    "time-last": {"times": "last"},
    "confidence": {"confidence": 0.2},
    "no-matching": {"matching": 0.0, "flat": 0.0},
}
"""What differs from the preset: fields of the objective or of the data."""
STUDIES = {"choices": [name for name in VARIANTS if name != "no-matching"], "matching": ["base", "no-matching"]}


@dataclass(frozen=True, kw_only=True)
class Config:
    """The command line."""

    study: Annotated[Literal["choices", "clips", "matching"], tyro.conf.Positional] = "choices"
    """Which table."""
    out: Path = Path("runs/ablations")
    """Folder of the runs and of the tables."""
    data: tuple[str, ...] = ("procedural",)
    """Sources with weights, as for `vdpm.train`."""
    cache: Path | None = None
    """Folder to keep prepared clips in."""
    preset: str = "tiny"
    """What the variants vary."""
    steps: int = 4000
    """Length of every run."""
    frames: tuple[int, ...] = ()
    """Lengths of windows; those of the preset by default."""
    batch: int = 0
    """Windows that go through the network together; those of the preset by default."""
    seeds: tuple[int, ...] = (0, 1)
    only: tuple[str, ...] = ()
    """Variants to run; all of the study by default."""
    clips: tuple[int, ...] = (50, 200)
    """Numbers of clips that `clips` compares with all that there are."""
    held: tuple[str, ...] = ("benchmark/frozen/mini",)
    """Folders of clips that are held out."""
    windows: int = 100
    """Windows of these that all runs are measured on."""
    suite: str = ""
    """A suite to score the last checkpoints on with the benchmark as well, as in mini; none by default."""
    workers: int = 1
    """Processes that make batches."""


def variants(config: Config) -> list[str]:
    """Names of the variants of a study."""
    if config.study == "clips":
        return [*(f"clips-{count}" for count in sorted(config.clips)), "base"]
    return STUDIES[config.study]


def changes(name: str) -> dict[str, object]:
    """What a variant changes."""
    counted = re.fullmatch(r"clips-(\d+)", name)
    return {"clips": int(counted[1])} if counted else VARIANTS[name]


def main(config: Config) -> None:
    """Train and measure what is missing, then write the table."""
    from vdpm.training.study import write

    names = variants(config)
    for name in config.only:
        if name not in names:
            raise unknown("variant", name, names, "add one in vdpm/training/ablations.py")
    for flag, least in (("steps", config.steps), ("windows", config.windows), ("seeds", len(config.seeds))):
        if least < 1:
            raise UserError(f"--{flag}: at least one")
    for seed in config.seeds:
        for name in config.only or names:
            run(config, name, seed)
            print(write(config.out, config.study, names, config.steps), flush=True)


def run(config: Config, name: str, seed: int) -> None:
    """Train a variant with a seed to the end, from its last checkpoint if there is one, and measure it."""
    from vdpm.training import checkpoint, study
    from vdpm.training.held import Held, scores
    from vdpm.training.validate import score

    folder = config.out / f"{name}-{seed}"
    if study.measured(folder, config.steps):
        return
    preset, data = planned(config, changes(name))
    trainer = trained(folder, preset, data, seed)
    held = Held(
        sources=" ".join(config.held), windows=config.windows, frames=preset.frames, size=preset.size,
        strides=preset.strides,
    )  # fmt: skip
    found = scores(trainer.model, held)
    newest = checkpoint.newest(folder)
    if config.suite and newest is not None:
        found |= score(newest, config.suite)
    row = {"variant": name, "seed": seed, "steps": config.steps, "windows": trainer.progress.windows}
    row |= {"seconds": round(trainer.progress.seconds), "held": asdict(held), "scores": found}
    study.keep(folder, row)


def trained(folder: Path, preset: "Preset", data: "DataConfig", seed: int) -> "Trainer":
    """A run that is at its end."""
    from vdpm.training.begin import begin
    from vdpm.training.data import batches
    from vdpm.training.learner import Learner
    from vdpm.training.loop import Pace, Trainer
    from vdpm.training.parallel import joined

    with joined() as place:
        trainer = Trainer(folder, Learner(begin("", preset.sizes, seed), preset), place, "ddp")
        trainer.resume()
        print(f"{folder}: step {trainer.progress.step} of {preset.steps}", flush=True)
        if trainer.progress.step < preset.steps:
            start = trainer.progress.step * preset.accumulate
            trainer.train(batches(data, seed, start), Pace(save=max(1, min(500, preset.steps // 2))))
    return trainer


def planned(config: Config, changed: dict[str, object]) -> "tuple[Preset, DataConfig]":
    """Preset and data of a variant."""
    from vdpm.training.data import DataConfig
    from vdpm.training.losses import Objective
    from vdpm.training.presets import find_preset

    preset = find_preset(config.preset)
    preset = replace(
        preset, steps=config.steps, frames=config.frames or preset.frames, batch=config.batch or preset.batch
    )
    fields = Objective.__dataclass_fields__
    objective = replace(preset.objective, **{name: value for name, value in changed.items() if name in fields})
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
    return replace(preset, objective=objective), replace(
        data, **{name: value for name, value in changed.items() if name not in fields}
    )


if __name__ == "__main__":
    run_command(lambda: main(tyro.cli(Config, description=__doc__)))
