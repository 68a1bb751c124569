"""One HTML file that shows a 4D reconstruction, whole in itself: no server, no network, opens from a disk.

    write_viewer(path, ViewerScene(title="a clip", clouds=(Cloud(name="prediction", points=..., colours=...),)))

Two clouds stand side by side and are looked at from the same place. `max_bytes` is the size of the page: points and
tracks are thinned, evenly over rows, until it fits. The content security policy lets nothing load and only our scripts
run; names are text, never markup. What goes in is described in `vdpm.viewer.scene`.
"""

import base64
import hashlib
import html
import io
import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Int, UInt8
from PIL import Image

from vdpm.errors import UserError
from vdpm.files import replacing
from vdpm.geometry import rays
from vdpm.viewer.pack import Box, box_around, pack, ranks
from vdpm.viewer.scene import Cloud, Panel, ViewerScene

MAX_BYTES = 3_000_000
PICTURES_SHARE = 0.15
"""Of the page, at most, for the video in the corner; twice that where there are panels."""
PICTURE_SIDES = (320, 240, 160, 120, 80, 48)
"""Longest side of its frames in pixels; the first that fits."""
FIRST_GUESS = 5.0
"""Bytes for a point at a time, once packed: only a start, the page is measured."""


def write_viewer(path: Path, scene: ViewerScene, *, max_bytes: int = MAX_BYTES) -> None:
    """Write the page, atomically. Raises `UserError` when it cannot be that small or cannot be written."""
    page = viewer_page(scene, max_bytes=max_bytes)
    with replacing(path) as file:
        file.write(page)


def viewer_page(scene: ViewerScene, *, max_bytes: int = MAX_BYTES) -> bytes:
    """The page, thinned until it fits."""
    _check(scene)
    fixed = _pictures(scene, int(max_bytes * PICTURES_SHARE * (2 if scene.panels else 1)))
    rows = sum(cloud.points.shape[0] * cloud.points.shape[1] for cloud in scene.clouds)
    share = min(1.0, max_bytes / FIRST_GUESS / max(rows, 1))
    for _ in range(12):
        page = _page(scene, {**fixed, **_clouds(scene, share)})
        if len(page) <= max_bytes:
            return page
        share *= min(0.9, max(0.2, 0.97 * max_bytes / len(page)))
    raise UserError(f"the viewer page of {scene.title!r} needs more than {max_bytes} bytes: allow more, or fewer times")


def _check(scene: ViewerScene) -> None:
    times = {len(cloud.points) for cloud in scene.clouds}
    if not 1 <= len(scene.clouds) <= 2 or len(times) != 1 or times == {0}:
        raise ValueError("a viewer shows one or two clouds, both with the same times, one or more")


def _page(scene: ViewerScene, data: dict[str, Any]) -> bytes:
    """The template filled in; scripts are named to the browser by their hashes."""
    parts = {name: _part(name) for name in ("viewer.html", "viewer.css", "viewer.js", "three.min.js")}
    text = json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    fill = {
        "TITLE": html.escape(scene.title),
        "NOTE": html.escape(scene.note),
        "POLICY": f"default-src 'none'; img-src data:; script-src {_hash(parts['three.min.js'])} "
        f"{_hash(parts['viewer.js'])}; style-src {_hash(parts['viewer.css'])}; base-uri 'none'; form-action 'none'",
        "STYLE": parts["viewer.css"],
        "THREE": parts["three.min.js"],
        "SCRIPT": parts["viewer.js"],
        "DATA": text,
    }
    pieces = parts["viewer.html"].split("@@")  # one pass: what is filled in is not looked at again
    return "".join(fill[piece] if place % 2 else piece for place, piece in enumerate(pieces)).encode()


def _part(name: str) -> str:
    return files("vdpm.viewer").joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _clouds(scene: ViewerScene, share: float) -> dict[str, Any]:
    """All that the page draws, with a share of the points; both clouds lie in one box."""
    tracks = [cloud.tracks for cloud in scene.clouds if cloud.tracks is not None]
    box = box_around(*(cloud.points for cloud in scene.clouds), *tracks)
    return {
        "rate": scene.frame_rate,
        "low": box.low.tolist(),
        "step": box.step.tolist(),
        "view": _view(scene),
        "clouds": [_cloud(cloud, box, share) for cloud in scene.clouds],
    }


def _cloud(cloud: Cloud, box: Box, share: float) -> dict[str, Any]:
    kept = _even(cloud.points.shape[1], share)
    confidence = None if cloud.confidence is None else pack(ranks(cloud.confidence[:, kept])[..., None])
    return {
        "name": cloud.name,
        "all": cloud.points.shape[1],
        "points": pack(box.quantise(cloud.points[:, kept])),
        "colours": pack(cloud.colours[:, kept]),
        "confidence": confidence,
        **_tracks(cloud, box, share),
        **_cameras(cloud),
    }


def _even(count: int, share: float) -> Int[np.ndarray, " K"]:
    """Indices spread evenly, in order: neighbours stay neighbours."""
    return (
        np.unique(np.linspace(0, count - 1, max(1, round(count * share))).round().astype(int))
        if count
        else np.arange(0)
    )


def _tracks(cloud: Cloud, box: Box, share: float) -> dict[str, Any]:
    if cloud.tracks is None or not cloud.tracks.shape[1]:
        return {"tracks": None, "trackColours": None}
    kept = _even(cloud.tracks.shape[1], min(1.0, 2 * share))
    colours = rainbow(cloud.tracks) if cloud.track_colours is None else cloud.track_colours
    return {"tracks": pack(box.quantise(cloud.tracks[:, kept])), "trackColours": pack(colours[None, kept])}


def rainbow(tracks: Float32[np.ndarray, "T M 3"]) -> UInt8[np.ndarray, "M 3"]:
    """A hue for each track by its place on the widest axis when it is first seen: neighbours look alike."""
    known = np.isfinite(tracks).all(axis=-1)
    start = np.take_along_axis(tracks, known.argmax(axis=0)[None, :, None], axis=0)[0]
    start = np.nan_to_num(start)
    axis = int(np.ptp(start, axis=0).argmax())
    order = start[:, axis].argsort().argsort() / max(len(start) - 1, 1)
    hue = (order * 215).astype(np.uint8)  # red to violet, not round to red again
    full = np.full_like(hue, 255)
    return np.asarray(Image.fromarray(np.stack([hue, full, full], axis=-1)[None], "HSV").convert("RGB"))[0]


def _cameras(cloud: Cloud) -> dict[str, Any]:
    """Poses row by row, and the corners of the image at z = 1."""
    if cloud.cameras is None:
        return {"poses": None, "corners": None}
    height, width = cloud.image
    frame = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float64)
    return {
        "poses": cloud.cameras.world_from_camera.reshape(-1, 16).round(5).tolist(),
        "corners": [rays(K, frame).round(5).tolist() for K in cloud.cameras.K],
    }


def _view(scene: ViewerScene) -> dict[str, Any]:
    """Where the page looks from at first: behind the first camera and above it, at the middle of what it sees."""
    first = scene.clouds[0]
    seen = first.points[0][np.isfinite(first.points[0]).all(axis=-1)].astype(np.float64)
    target = np.median(seen, axis=0) if len(seen) else np.zeros(3)
    up = np.array(scene.up)
    if first.cameras is not None:
        centre = first.cameras.world_from_camera[0, :3, 3]
        forward = first.cameras.world_from_camera[0, :3, 2]
        target = centre + forward * max(float((target - centre) @ forward), 1e-3)
        away = float(np.linalg.norm(target - centre))
        eye = centre - 0.35 * away * forward + 0.25 * away * up
    else:
        away = (
            2.5 * max(float(np.percentile(seen, 90, axis=0).max() - np.percentile(seen, 10, axis=0).min()), 1e-3)
            if len(seen)
            else 1.0
        )
        side = np.cross(up, [0.3, 1.0, 0.4])
        eye = target + away * (0.8 * side / np.linalg.norm(side) + 0.5 * up)
    return {
        "eye": eye.tolist(),
        "target": target.tolist(),
        "up": up.tolist(),
        "size": float(np.linalg.norm(eye - target)),
    }


def _pictures(scene: ViewerScene, room: int) -> dict[str, Any]:
    """The video and the panels as JPEGs that fit into some bytes; none where even the smallest do not."""
    video = () if scene.frames is None else (Panel(name="", frames=scene.frames),)
    for side in PICTURE_SIDES:
        texts = [[_jpeg(frame, side) for frame in panel.frames] for panel in (*video, *scene.panels)]
        if sum(len(text) for panel in texts for text in panel) <= room:
            break
    else:
        texts, video = [], ()
    named = zip((panel.name for panel in scene.panels), texts[len(video) :], strict=False)
    panels = [{"name": name, "frames": frames} for name, frames in named]
    return {"frames": texts[0] if video else [], "panels": panels}


def _jpeg(frame: UInt8[np.ndarray, "H W 3"], side: int) -> str:
    picture, buffer = Image.fromarray(frame), io.BytesIO()
    picture.thumbnail((side, side))
    picture.save(buffer, "JPEG", quality=75)
    return base64.b64encode(buffer.getvalue()).decode()
