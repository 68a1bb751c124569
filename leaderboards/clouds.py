"""Predicted and true points of a clip in the 4D viewer, a page for each method.

What all pages share lies once in <media>/viewer/, named by its content, so that a newer viewer leaves older pages alone; it
is removed when no page names it any more.
"""

import hashlib
from importlib.resources import files
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from benchmark.tasks import Task
from leaderboards.words import slug
from vdpm.clip import Cameras, Clip
from vdpm.files import replacing, sha256
from vdpm.viewer.maps import some_tracks
from vdpm.viewer.scene import Cloud, ViewerScene
from vdpm.viewer.write import viewer_page

VIEWER_BYTES = 80_000
"""Of the clouds of one method on one clip."""
VIEWER_SIDE = 28
"""Points along the longer side of an image in the viewer."""
SHARED = ("three.min.js", "viewer.js", "viewer.css")


def draw_clouds(
    folder: Path, method: str, clip: Clip, task: Task, cameras: Cameras, true: np.ndarray, claimed: np.ndarray
) -> None:
    """The page of the viewer for a method on a clip: predicted and true points (T, H, W, 3) of the first frame in the world."""
    colours = clip.rgb[task.frames[0]].reshape(1, -1, 3)
    known = (np.isfinite(true).all(axis=(0, -1)) & _grid(*true.shape[1:3])).ravel()
    clouds = tuple(
        Cloud(
            name=name,
            points=world.reshape(len(world), -1, 3)[:, known].astype(np.float32),
            colours=colours[:, known],
            tracks=some_tracks(world.astype(np.float32), grid=16),
            cameras=cameras,
            image=(clip.rgb.shape[1], clip.rgb.shape[2]),
        )
        for name, world in ((f"{method}: prediction", claimed), ("truth", true))
    )
    note = "The points of the first frame at ten times, two frames apart."
    scene = ViewerScene(title=f"{method} on {clip.name}", clouds=clouds, frame_rate=4.0, note=note)
    parts = {name: files("vdpm.viewer").joinpath(name).read_text(encoding="utf-8") for name in SHARED}
    page = viewer_page(scene, max_bytes=VIEWER_BYTES + sum(len(part.encode()) for part in parts.values())).decode()
    with replacing(folder / f"{slug(method)}.html") as file:
        file.write(_slim(page, parts, folder.parents[1]).encode())


def _grid(height: int, width: int) -> Bool[np.ndarray, "{height} {width}"]:
    """Pixels evenly spread over rows and columns."""
    grid = np.zeros((height, width), bool)
    rows, columns = (max(2, round(VIEWER_SIDE * side / max(height, width))) for side in (height, width))
    grid[np.ix_(*(np.linspace(0, n - 1, k).round().astype(int) for n, k in ((height, rows), (width, columns))))] = True
    return grid


def _slim(page: str, parts: dict[str, str], media: Path) -> str:
    """A page of the viewer that takes what all pages share from files beside it."""
    for name, text in parts.items():
        stem, _, ending = name.rpartition(".")
        shared = f"{stem}-{hashlib.sha256(text.encode()).hexdigest()[:8]}.{ending}"
        if not (media / "viewer" / shared).is_file() or sha256(media / "viewer" / shared)[:8] not in shared:
            with replacing(media / "viewer" / shared) as file:
                file.write(text.encode())
        place = f"../../viewer/{shared}"
        script = ending == "js"
        old = f"<script>{text}</script>" if script else f"<style>{text}</style>"
        new = f'<script src="{place}"></script>' if script else f'<link rel="stylesheet" href="{place}">'
        if old not in page:
            raise ValueError(f"the viewer no longer holds {name} as it did: leaderboards/clouds.py has to follow")
        page = page.replace(old, new)
    head, _, rest = page.partition('content="')
    policy, _, rest = rest.partition('"')
    kept = [part for part in policy.split(";") if not part.strip().startswith(("script-src", "style-src"))]
    return f"{head}content=\"{';'.join(kept)}; script-src 'self'; style-src 'self'\"{rest}"


def drop_unused(media: Path) -> None:
    """Remove what pages share of viewers that no page names any more."""
    pages = [path.read_text(encoding="utf-8") for path in media.glob("*/*/*.html")]
    for part in (media / "viewer").glob("*-????????.*"):
        if not any(part.name in page for page in pages):
            part.unlink()
