"""Pictures of training runs: learning curves, and predicted against true tracks.

    python -m vdpm.training.plots runs/tiny
    python -m vdpm.training.plots runs/with runs/without --by step --out compared.png
    python -m vdpm.training.plots runs/tiny --clips benchmark/frozen/mini

Curves come from RUN/curve.jsonl and RUN/validation.jsonl (`vdpm.training.follow`); tracks are those of the newest
checkpoint of the first run on one clip of the folder.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from vdpm.errors import UserError, run_command
from vdpm.files import replacing


@dataclass(frozen=True, kw_only=True)
class Config:
    """The command line."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Folders of runs."""
    by: Literal["windows", "step", "seconds"] = "windows"
    """What the curves are drawn over."""
    out: Path | None = None
    """Picture of the curves: PNG or SVG; curves.png in the first run by default. Tracks are written beside it."""
    clips: Path | None = None
    """Folder of shards to draw tracks of."""
    clip: int = 0
    """Which clip of it, from 0."""
    frames: int = 10
    """Frames of the clip to show the network, two apart."""
    weights: Path | None = None
    """Weights to draw tracks with, instead of those of the newest checkpoint."""


def main(config: Config) -> None:
    """Draw curves, and tracks if there are clips."""
    from vdpm.training.curves import curves

    if not config.runs:
        raise UserError("no run named: python -m vdpm.training.plots runs/tiny")
    out = config.out or config.runs[0] / "curves.png"
    if out.suffix not in (".png", ".svg"):
        raise UserError(f"--out {out}: write .png or .svg")
    _save(curves(config.runs, config.by), out)
    if config.clips is not None:
        _save(_tracks(config, config.clips), out.with_name(f"tracks{out.suffix}"))


def _save(figure, path: Path) -> None:
    with replacing(path) as file:
        figure.savefig(file, format=path.suffix[1:], dpi=110)
    print(path)


def _tracks(config: Config, folder: Path):
    from vdpm.clip import Video
    from vdpm.model.model import Model
    from vdpm.model.predict import predict
    from vdpm.storage import read_shard
    from vdpm.training import checkpoint
    from vdpm.training.paths import tracks

    weights = config.weights or checkpoint.newest(config.runs[0])
    if weights is None:
        raise UserError(f"{config.runs[0]} has no checkpoint yet; name --weights, or leave out --clips")
    clips = [clip for path in sorted(folder.glob("*.tar")) for clip in read_shard(path)]
    if config.clip >= len(clips):
        raise UserError(f"--clip {config.clip}: {folder} has {len(clips)} clips, the first is 0")
    clip = clips[config.clip]
    frames = tuple(range(0, len(clip.rgb), 2))[: config.frames]
    video = Video(rgb=clip.rgb[list(frames)], sources=(0,))
    return tracks(clip, frames, predict(Model.from_pretrained(weights), video), columns=5)


if __name__ == "__main__":
    run_command(lambda: main(tyro.cli(Config, description=__doc__)))
