"""The table of choices that V-DPM's paper leaves open: every variant with every seed, trained and scored alike.

    python -m vdpm.training.ablations --data procedural:0.5 data/train:0.5 --steps 4000 --seeds 0 1
    python -m vdpm.training.ablations --only reference-first no-matching --seeds 0     # a share of it, for another machine

Each run goes on where it stopped, finished runs are kept, and the table RUNS/table.md is written anew after each: means
over seeds with the range over them, by the benchmark's own scores of the last checkpoint.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from vdpm.errors import UserError, run_command, unknown
from vdpm.files import replacing

if TYPE_CHECKING:
    from vdpm.training.data import DataConfig
    from vdpm.training.presets import Preset

VARIANTS: dict[str, dict[str, object]] = {
    "base": {},
    "reference-first": {"reference": "first"},
    "reference-central": {"reference": "central"},
    "time-other": {"times": "other"},
    "time-last": {"times": "last"},
    "confidence": {"confidence": 0.2},
    "no-matching": {"matching": 0.0, "flat": 0.0},
    "clips-50": {"clips": 50},
    "clips-200": {"clips": 200},
    "clips-800": {"clips": 800},
}
"""What differs from the preset: fields of the objective, or of the data, `clips` being how many a source of shards has."""
COLUMNS = (
    "vdpm_pair2/displacement_error",
    "vdpm_pair8/displacement_error",
    "vdpm_track10/displacement_error",
    "video/depth_absrel",
    "video/pose_ate",
)


@dataclass(frozen=True, kw_only=True)
class Config:
    """The command line."""

    out: Path = Path("runs/ablations")
    """Folder of the runs and of the table."""
    data: tuple[str, ...] = ("procedural",)
    """Sources with weights, as for `vdpm.train`."""
    preset: str = "tiny"
    """What the variants vary."""
    steps: int = 4000
    """Length of every run."""
    seeds: tuple[int, ...] = (0, 1)
    only: tuple[str, ...] = ()
    """Variants to run; all by default."""
    suite: str = "mini"
    """What the runs are scored on."""
    workers: int = 1
    """Processes that make batches."""


def main(config: Config) -> None:
    """Train and score what is missing, then write the table."""
    for name in config.only:
        if name not in VARIANTS:
            raise unknown("variant", name, list(VARIANTS), "add one in vdpm/training/ablations.py")
    if config.steps < 1 or not config.seeds:
        raise UserError(f"--steps {config.steps} --seeds {config.seeds}: at least one step and one seed")
    for seed in config.seeds:
        for name in config.only or tuple(VARIANTS):
            run(config, name, seed)
            print(write_table(config), flush=True)


def run(config: Config, name: str, seed: int) -> None:
    """Train a variant with a seed to the end, from its last checkpoint if there is one, and score it."""
    from vdpm.training import checkpoint
    from vdpm.training.begin import begin
    from vdpm.training.data import batches
    from vdpm.training.learner import Learner
    from vdpm.training.loop import Pace, Trainer
    from vdpm.training.parallel import joined
    from vdpm.training.validate import validate

    folder = config.out / f"{name}-{seed}"
    preset, data = planned(config, VARIANTS[name])
    with joined() as place:
        trainer = Trainer(folder, Learner(begin("", preset.sizes, seed), preset), place, "ddp")
        trainer.resume()
        if trainer.progress.step < preset.steps:
            print(f"{folder}: step {trainer.progress.step} of {preset.steps}", flush=True)
            start = trainer.progress.step * preset.accumulate
            trainer.train(batches(data, seed, start), Pace(save=max(1, min(500, preset.steps // 4))))
    newest = checkpoint.newest(folder)
    assert newest is not None
    validate(folder, newest, config.suite)


def planned(config: Config, changes: dict[str, object]) -> "tuple[Preset, DataConfig]":
    """Preset and data of a variant."""
    from vdpm.training.data import DataConfig
    from vdpm.training.losses import Objective
    from vdpm.training.presets import find_preset

    preset = replace(find_preset(config.preset), steps=config.steps)
    fields = Objective.__dataclass_fields__
    objective = replace(preset.objective, **{name: value for name, value in changes.items() if name in fields})
    data = DataConfig(
        sources=" ".join(config.data),
        batch=preset.batch,
        frames=preset.frames,
        size=preset.size,
        strides=preset.strides,
        reference=preset.reference,
        workers=config.workers,
    )
    return replace(preset, objective=objective), replace(
        data, **{name: value for name, value in changes.items() if name not in fields}
    )


def write_table(config: Config) -> str:
    """Markdown of all runs that are scored; also written to the folder of the runs."""
    from vdpm.training.validate import read_scores

    lines = ["| variant | seeds | " + " | ".join(COLUMNS) + " |", "|---" * (2 + len(COLUMNS)) + "|"]
    for name in VARIANTS:
        found = [read_scores(path) for path in sorted(config.out.glob(f"{name}-[0-9]*")) if path.is_dir()]
        scored = [rows[-1] for rows in found if rows and rows[-1]["step"] == config.steps]
        if scored:
            cells = [spread([row[column] for row in scored if column in row]) for column in COLUMNS]
            lines.append(f"| {name} | {len(scored)} | " + " | ".join(cells) + " |")
    table = "\n".join(lines) + "\n"
    with replacing(config.out / "table.md") as file:
        file.write(table.encode())
    return table


def spread(values: list[float]) -> str:
    """Mean, and half of the range."""
    if not values:
        return "–"
    return f"{sum(values) / len(values):.3f} ± {(max(values) - min(values)) / 2:.3f}"


if __name__ == "__main__":
    run_command(lambda: main(tyro.cli(Config, description=__doc__)))
