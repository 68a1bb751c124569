"""Reconstruct a video in 4D: depth, cameras, points and their motion, from V-DPM.

    python -m vdpm.reconstruct holiday.mp4 --out runs/holiday
    python -m vdpm.reconstruct frames/ --out runs/frames --fps 5 --export html,ply,colmap

Writes reconstruction.npz (described in vdpm/reconstruction/record.py) and the exports: html, ply, glb, rerun, colmap, tum,
"all" or "none". The same command goes on after an interruption. A reconstruction.npz as the source is exported again.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from tqdm import tqdm

from vdpm.errors import UserError, run_command
from vdpm.model.default import default_weights
from vdpm.reconstruction.exporting import asked_exports, export
from vdpm.reconstruction.footage import Selection
from vdpm.reconstruction.record import NAME, Reconstruction, load
from vdpm.reconstruction.session import Session


@dataclass(frozen=True, kw_only=True)
class Config:
    """The command line."""

    source: Annotated[Path, tyro.conf.Positional]
    """A video (mp4, mov, gif, ...), a folder of frames, or a reconstruction.npz to export."""
    out: Path
    """Folder for the results."""
    weights: str = default_weights()
    """A file, a folder, or a repository of the Hugging Face hub; also from the variable VDPM_WEIGHTS. Else small ones of ours."""
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
    result = load(config.source) if config.source.suffix == ".npz" else _reconstructed(config)
    for name in tqdm(names, unit="export", leave=False):
        tqdm.write(f"{name}: {export(name, result, config.out)}")


def _reconstructed(config: Config) -> Reconstruction:
    selection = Selection(fps=config.fps, stride=config.stride, limit=config.limit, side=config.side)
    selection.check(config.source)
    if config.out.resolve() == config.source.resolve():
        raise UserError(f"--out {config.out} is the folder of the frames: choose another folder")
    result = Session.start(config.weights, config.window).reconstruct(config.source, selection, config.out)
    print(f"{len(result.rgb)} frames: {config.out / NAME}")
    return result


if __name__ == "__main__":
    run_command(lambda: main(tyro.cli(Config, description=__doc__)))
