"""Reconstruct a video in 4D: depth, cameras, points and their motion, from V-DPM.

    python -m vdpm.reconstruct holiday.mp4 --out runs/holiday
    python -m vdpm.reconstruct frames/ --out runs/frames --fps 5 --export html,ply,colmap

Writes reconstruction.npz (described in vdpm/reconstruction/record.py) and the exports: html, ply, glb, rerun, colmap, tum,
"all" or "none". The same command goes on after an interruption.
"""

import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from tqdm import tqdm

from vdpm.errors import UserError, run_command
from vdpm.reconstruction.exporting import asked_exports, export
from vdpm.reconstruction.footage import Footage, Selection, read_footage
from vdpm.reconstruction.record import load
from vdpm.reconstruction.run import Run, disk_bytes, reconstruct
from vdpm.reconstruction.window import SMALLEST, plan

if TYPE_CHECKING:
    from vdpm.model.model import Model

WEIGHTS = "VDPM_WEIGHTS"
"""Environment variable that names weights where no flag does."""
PUBLISHED = "edgarsucar/vdpm"


@dataclass(frozen=True, kw_only=True)
class Config:
    """The command line."""

    source: Annotated[Path, tyro.conf.Positional]
    """A video (mp4, mov, gif, ...) or a folder of frames."""
    out: Path
    """Folder for the results."""
    weights: str = os.environ.get(WEIGHTS, PUBLISHED)
    """A file, a folder, or a repository of the Hugging Face hub; also from the variable VDPM_WEIGHTS."""
    export: str = "html"
    """Names separated by commas."""
    fps: float = 0.0
    """Take so many frames a second at most; 0 takes all."""
    stride: int = 1
    """Take every so many frames."""
    limit: int = 300
    """Refuse to take more frames than this."""
    side: int = 1024
    """Longer side of the results in pixels; larger frames are reduced."""
    window: int = 24
    """Frames that the network sees at once. Halved by itself when memory runs out."""


def main(config: Config) -> None:
    """Check everything that can be checked first, then work."""
    names = asked_exports(config.export)
    if config.window < SMALLEST:
        raise UserError(f"--window {config.window}: must be {SMALLEST} or more")
    selection = Selection(fps=config.fps, stride=config.stride, limit=config.limit, side=config.side)
    _make(config.out)
    with tempfile.TemporaryDirectory(dir=config.out, prefix=".frames-") as scratch:
        footage = read_footage(config.source, selection, Path(scratch))
        run = start(config, footage)
        path = reconstruct(run, footage, {"source": config.source.name, "weights": config.weights})
    result = load(path)
    print(f"{len(result.rgb)} frames: {path}")
    for name in tqdm(names, unit="export", leave=False):
        tqdm.write(f"{name}: {export(name, result, config.out)}")


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write to --out {folder} ({error.strerror}): choose another folder") from error


def start(config: Config, footage: Footage) -> Run:
    """Load the weights and say what is going to happen."""
    from vdpm.model.device import best_device
    from vdpm.model.model import Model
    from vdpm.reconstruction.network import predictor

    device = best_device()
    model = Model.from_pretrained(config.weights, device=device, bfloat16=device.type == "cuda")
    run = Run(predict=predictor(model), method=_name(config.weights), folder=config.out, window=config.window)
    announce(run, footage, model)
    return run


def _name(weights: str) -> str:
    """Weights and, for files, when they were written: others do not answer for them."""
    path = Path(weights)
    files = sorted(path.glob("model.*")) if path.is_dir() else [path] * path.is_file()
    return ":".join([weights, *(f"{file.stat().st_size}-{file.stat().st_mtime_ns}" for file in files)])


def announce(run: Run, footage: Footage, model: "Model") -> None:
    """How much there is to do, how long that may take, and what it leaves on the disk."""
    from vdpm.reconstruction.estimate import estimate_seconds

    frames, height, width = footage.rgb.shape[:3]
    planned = plan(frames, run.window)
    minutes = estimate_seconds(model, planned, height, width) / 60
    print(
        f"{frames} frames of {width}x{height} in {len(planned.all)} windows of up to {len(planned.all[0])} on "
        f"{model.device.type}: about {minutes:.1f} minutes, {disk_bytes(run, footage) / 1e9:.2f} GB of disk",
        file=sys.stderr,
    )


if __name__ == "__main__":
    run_command(lambda: main(tyro.cli(Config, description=__doc__)))
