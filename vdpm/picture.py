"""Look at clips: a contact sheet of frames, depth, bodies, optical flow and tracks, from a shard alone.

python -m vdpm.picture data/demo/kubric_f-000000.tar --out sheet.png
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from PIL import Image

from vdpm import derive
from vdpm.clip import Clip
from vdpm.colouring import Picture, body_picture, depth_picture, flow_picture, track_picture
from vdpm.errors import UserError, run_command
from vdpm.storage import read_shard


def sheet(clip: Clip, columns: int) -> Picture:
    """Rows of frames, depth, bodies, flow to the next frame, tracks; columns are frames evenly spread over the clip."""
    frames = np.linspace(0, len(clip.rgb) - 2, columns).round().astype(int).tolist()
    rows = [
        [clip.rgb[frame] for frame in frames],
        [depth_picture(derive.depth(clip, frame)) for frame in frames],
        [body_picture(derive.bodies(clip, frame)) for frame in frames],
        [flow_picture(derive.optical_flow(clip, frame, frame + 1)) for frame in frames],
        [track_picture(clip, frame) for frame in frames],
    ]
    return np.concatenate([np.concatenate(row, axis=1) for row in rows], axis=0)


def strip(clip: Clip, columns: int) -> Picture:
    """Frames evenly spread over a clip, side by side."""
    frames = np.linspace(0, len(clip.rgb) - 1, columns).round().astype(int)
    return np.concatenate([clip.rgb[frame] for frame in frames], axis=1)


@dataclass(frozen=True, kw_only=True)
class Config:
    """The command line."""

    shards: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Shards to look into: one gives the sheet of a clip, several a strip of frames of each."""
    out: Path = Path("sheet.png")
    """Picture to write."""
    clip: int = 0
    """Which clip of a shard, from 0."""
    columns: int = 5
    """How many frames of it."""


def main(config: Config) -> None:
    """Write the contact sheet of one clip, or strips of several."""
    if config.columns < 1:
        raise UserError(f"--columns {config.columns}: must be 1 or more")
    if not config.shards:
        raise UserError("no shard named: python -m vdpm.picture data/train/kubric_f-000000.tar")
    clips = [find_clip(shard, config.clip) for shard in config.shards]
    if len(clips) == 1:
        picture = sheet(clips[0], config.columns)
    else:
        picture = np.concatenate([strip(clip, config.columns) for clip in clips], axis=0)
    config.out.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(config.out, quality=90)
    print(f"{', '.join(clip.name for clip in clips)}: {config.out}")


def find_clip(shard: Path, number: int) -> Clip:
    """A clip of a shard by its place. Raises `UserError` if there is none."""
    for place, clip in enumerate(read_shard(shard)):
        if place == number:
            return clip
    raise UserError(f"--clip {number}: {shard} has no such clip; the first is 0")


if __name__ == "__main__":
    run_command(lambda: main(tyro.cli(Config, description=__doc__)))
