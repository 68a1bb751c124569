"""See what is in a shard: a page with a 4D cloud that can be turned, and a movie, of each clip. Needs no Blender.

    python -m generation.preview data/train/kubric_f-000000.tar

Writes NAME.html (the viewer with RGB, depth, normals, bodies, flow and tracks beside the cloud) and NAME.mp4 (the same
pictures side by side).
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw
from tqdm import tqdm

from vdpm import derive
from vdpm.clip import Clip
from vdpm.colouring import body_picture, depth_picture, flow_picture, track_picture
from vdpm.errors import UserError, run_command
from vdpm.movies import write_movie
from vdpm.storage import read_shard
from vdpm.viewer.maps import cloud_of_clip
from vdpm.viewer.scene import Panel, ViewerScene
from vdpm.viewer.write import write_viewer

COLUMNS = 3
"""Of pictures in the movie."""
LOOPS_SECONDS = 6.0
"""A movie shows a short clip again until it is this long, since players stop at the end."""
LABEL = 14
"""Height of the line above each picture, pixels."""
SMALLEST = 240
"""Pictures of fewer pixels are enlarged for the movie."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """The command line."""

    shards: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Shards to look into."""
    out: Path = Path("runs/preview")
    """Folder for the pages and movies."""
    clips: int = 1
    """How many clips of each shard, from the first."""
    max_mb: float = 3.0
    """Size of a page; more megabytes show more points."""


def main(config: Config) -> None:
    """Preview the first clips of each shard."""
    if not config.shards:
        raise UserError("no shard named: python -m generation.preview data/train/kubric_f-000000.tar")
    for name, least in (("clips", 1), ("max_mb", 1)):
        if not getattr(config, name) >= least:
            raise UserError(f"--{name.replace('_', '-')} {getattr(config, name)}: must be {least} or more")
    for shard in config.shards:
        shown = 0
        for clip, _ in zip(read_shard(shard), range(config.clips), strict=False):
            print(f"{clip.name}: {preview(clip, config.out, round(config.max_mb * 1e6))}")
            shown += 1
        if not shown:
            raise UserError(f"{shard} has no clips")


def preview(clip: Clip, folder: Path, max_bytes: int) -> Path:
    """Write both files of a clip; the page."""
    shown = panels(clip)
    page = folder / f"{clip.name}.html"
    write_viewer(page, scene(clip, shown), max_bytes=max_bytes)
    rate = frame_rate(clip)
    write_movie(folder / f"{clip.name}.mp4", [sheet(shown, time) for time in loops(clip, rate)], rate)
    return page


def frame_rate(clip: Clip) -> float:
    """Frames a second."""
    return float(clip.meta.get("frame_rate", 12))


def loops(clip: Clip, rate: float) -> list[int]:
    """Frame numbers of the movie: the clip, some times over."""
    count = len(clip.rgb)
    return [*range(count)] * math.ceil(LOOPS_SECONDS * rate / count)


def scene(clip: Clip, shown: list[Panel]) -> ViewerScene:
    """The page of a clip: its true points and cameras, and what it was told about itself."""
    bodies = len(clip.surfaces.face_start) - 1
    height, width = clip.rgb.shape[1:3]
    facts = (
        f"{len(clip.rgb)} frames of {width}x{height}, {bodies} bodies, family {clip.meta.get('family', '?')}; metres"
    )
    return ViewerScene(
        title=clip.name,
        note=facts,
        clouds=(cloud_of_clip(clip.name, clip),),
        frame_rate=frame_rate(clip),
        frames=clip.rgb,
        panels=tuple(shown[1:]),
    )


def panels(clip: Clip) -> list[Panel]:
    """Pictures of every frame: what was rendered, then what is derived."""
    times = tqdm(range(len(clip.rgb)), desc=clip.name, unit="frame", leave=False)
    rows = [_pictures(clip, time) for time in times]
    return [Panel(name=name, frames=np.stack([row[name] for row in rows])) for name in rows[0]]


def _pictures(clip: Clip, time: int) -> dict[str, UInt8[np.ndarray, "H W 3"]]:
    """The last frame flows to the one before it."""
    other = time + 1 if time + 1 < len(clip.rgb) else max(time - 1, 0)
    return {
        "RGB": clip.rgb[time],
        "depth": depth_picture(derive.depth(clip, time)),
        "normals": normal_picture(derive.normals(clip, time)),
        "bodies": body_picture(derive.bodies(clip, time)),
        "flow to the next frame": flow_picture(derive.optical_flow(clip, time, other)),
        "tracks from the first frame": track_picture(clip, time),
    }


def normal_picture(normals: Float[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "H W 3"]:
    """Right is red, up is green, towards the camera is blue; black where unknown."""
    turned = normals * np.array([1.0, -1.0, -1.0])
    return np.nan_to_num((turned + 1.0) * 127.5).astype(np.uint8)


def sheet(shown: list[Panel], time: int) -> UInt8[np.ndarray, "H W 3"]:
    """All pictures of a time in rows, each under its name."""
    tiles = [_tile(panel.name, panel.frames[time]) for panel in shown]
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % COLUMNS)
    rows = [np.concatenate(tiles[at : at + COLUMNS], axis=1) for at in range(0, len(tiles), COLUMNS)]
    return np.concatenate(rows, axis=0)


def _tile(name: str, picture: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "H2 W2 3"]:
    factor = max(1, math.ceil(SMALLEST / picture.shape[1]))
    image = Image.fromarray(np.repeat(np.repeat(picture, factor, axis=0), factor, axis=1))
    tile = Image.new("RGB", (image.width, image.height + LABEL), (20, 20, 22))
    tile.paste(image, (0, LABEL))
    ImageDraw.Draw(tile).text((3, 1), name, fill=(235, 235, 235))
    return np.asarray(tile)


if __name__ == "__main__":
    run_command(lambda: main(tyro.cli(Config, description=__doc__)))
