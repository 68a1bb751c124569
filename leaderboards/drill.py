"""What is drawn of a run, clip by clip, from its prediction files: frames, depth and its error, the path of the camera,
tracks over the video, and both clouds in the 4D viewer; and the error splits, for which the same truth is needed.

All drawings of a clip lie in <media>/<suite>/<clip>/. What was drawn of the method before is removed first, and so is what
belongs to no clip of the suite as it is now.
"""

import io
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw
from tqdm import tqdm

from benchmark.align import similarity
from benchmark.evaluators.end_point import mean_norms
from benchmark.predictions import Header, read_answers
from benchmark.protocols import PROTOCOLS
from benchmark.suites import read_suite
from benchmark.tasks import Task, show, truth_of
from leaderboards.checking import Submission, prediction_path
from leaderboards.clouds import draw_clouds, drop_unused
from leaderboards.publication import Bins
from leaderboards.splits import depth_errors, of_depth, of_points
from leaderboards.words import slug
from vdpm.clip import Cameras, Clip, Prediction, Truth
from vdpm.derive import hits
from vdpm.files import replacing
from vdpm.geometry import invert, project, transform

Picture = UInt8[np.ndarray, "H W 3"]
UNKNOWN = 40
"""Grey of pixels without a value."""
COLUMNS = 4
"""Frames of a clip that are drawn side by side."""
QUALITY = 66
WORST = 0.25
"""Relative error of depth that is drawn in the last colour."""
TRUE, CLAIMED = (255, 255, 255), (255, 140, 0)
MOVED_METRES = 0.02
SAME = ("oracle",)
"""Methods of which a drawing would show the truth beside itself."""
STRIP = "strip.webp"
PARTS = {"depth": "-depth.webp", "path": "-path.svg", "tracks": "-tracks.webp", "viewer": ".html"}
"""How the names of the drawings of a method end."""


def drill(submission: Submission, media: Path) -> dict[str, Bins]:
    """Draw all clips of a run. Returns its error splits."""
    assert submission.suite and submission.method
    splits: dict[str, Bins] = {}
    total = len(submission.suite.clips)
    _clear(media / slug(submission.suite.name), submission)
    for scene, fingerprint in tqdm(read_suite(submission.suite), "drawing", total, unit="clip", disable=None):
        if not isinstance(scene, Clip):
            continue  # recordings of other data sets are not ours to hand on
        folder = media / slug(submission.suite.name) / slug(scene.name)
        _save(folder / STRIP, _strip(scene.rgb))
        look = cache(partial(hits, scene))
        for protocol, draw in (("video", _draw_video), ("vdpm_track10", _draw_tracks)):
            found = _answer(submission, scene, fingerprint, protocol, look)
            if found:
                bins = draw(scene, *found, folder, submission.method.name)
                for name, values in bins.items():
                    splits.setdefault(name, {})[scene.name] = values
    drop_unused(media)
    return splits


def _clear(folder: Path, submission: Submission) -> None:
    """Remove what was drawn of the method, and of clips that the suite has no longer. What we did not draw stays."""
    assert submission.suite and submission.method
    kept, own = set(map(slug, submission.suite.clips)), slug(submission.method.name)
    for clip in [path for path in folder.glob("*") if path.is_dir()]:
        ours = [clip / (own + ending) for ending in PARTS.values()]
        drawn = [path for path in clip.iterdir() if path.name.endswith((STRIP, *PARTS.values()))]
        for path in ours if clip.name in kept else drawn:
            path.unlink(missing_ok=True)
        if not any(clip.iterdir()):
            clip.rmdir()


def _answer(
    submission: Submission, clip: Clip, fingerprint: str, name: str, look: Callable
) -> tuple[Task, Truth, Prediction] | None:
    """The only task of a clip under a protocol, with truth and prediction; None when it was not answered."""
    method, protocol = submission.method, PROTOCOLS[name]
    path, tasks = prediction_path(submission.folder, name, clip), protocol.tasks(len(clip.rgb))
    if not path.is_file() or not tasks or method is None:
        return None
    header = Header(
        method=method.name, method_version=method.version, protocol=name, protocol_version=protocol.version,
        clip=clip.name, fingerprint=fingerprint, weights=submission.weights,
    )  # fmt: skip
    answers = read_answers(path, header, [show(clip, task) for task in tasks])
    truth = truth_of(clip, tasks[0], look, with_depth=name == "video", with_seen=name != "video")
    return tasks[0], truth, answers.predictions[0]


def _draw_video(clip: Clip, task: Task, truth: Truth, claimed: Prediction, folder: Path, method: str) -> dict:
    if claimed.depth is not None and method not in SAME:
        errors = depth_errors(truth, claimed.depth)
        if errors is not None:
            _save(folder / f"{slug(method)}-depth.webp", _depths(truth.depth, claimed.depth, errors))
    if claimed.world_from_camera is not None and method not in SAME:
        with replacing(folder / f"{slug(method)}-path.svg") as file:
            file.write(_path(truth.world_from_camera, claimed.world_from_camera).encode())
    return of_depth(truth, claimed)


def _draw_tracks(clip: Clip, task: Task, truth: Truth, claimed: Prediction, folder: Path, method: str) -> dict:
    bins = of_points(truth, claimed)
    if bins:
        true, guess = _in_metres(truth, claimed)
        cameras = Cameras(K=truth.K, world_from_camera=truth.world_from_camera)
        world = [transform(cameras.world_from_camera[0], points) for points in (true, guess)]
        if method not in SAME:
            _save(folder / f"{slug(method)}-tracks.webp", _tracks(clip.rgb[list(task.frames)], cameras, *world))
            draw_clouds(folder, method, clip, task, cameras, *world)
    return bins


def _in_metres(truth: Truth, claimed: Prediction) -> tuple[np.ndarray, np.ndarray]:
    """True and predicted P0(t0 ...) (T, H, W, 3), the prediction brought to metres by the joint mean norms."""
    assert claimed.points is not None
    valid = np.isfinite(truth.points).all(axis=-1)
    norm, true_norm = (mean_norms(points, valid, "joint")[0, 0] for points in (claimed.points, truth.points))
    guess = np.where(valid[0, ..., None], claimed.points[0] * (true_norm / norm), np.nan)
    return truth.points[0].astype(np.float64), guess


# Pictures


def turbo(value: Float[np.ndarray, "H W"]) -> Picture:
    """Colours of values from 0 (blue) to 1 (red); grey where NaN."""
    from matplotlib import colormaps

    colours = colormaps["turbo"](np.clip(np.nan_to_num(value), 0.0, 1.0), bytes=True)[..., :3]
    return np.where(np.isnan(value)[..., None], np.uint8(UNKNOWN), colours)


def _save(path: Path, picture: Picture) -> None:
    content = io.BytesIO()
    Image.fromarray(picture).save(content, "webp", quality=QUALITY, method=6)
    with replacing(path) as file:
        file.write(content.getvalue())


def _even(count: int) -> list[int]:
    return np.linspace(0, count - 1, min(COLUMNS, count)).round().astype(int).tolist()


def _strip(rgb: UInt8[np.ndarray, "T H W 3"]) -> Picture:
    return np.concatenate([rgb[frame] for frame in _even(len(rgb))], axis=1)


def _depths(
    true: Float[np.ndarray, "T H W"], claimed: Float[np.ndarray, "T H W"], errors: Float[np.ndarray, "T H W"]
) -> Picture:
    """Rows: true depth, predicted depth at the scale of the score, relative error; near is red, and so is wrong."""
    frames = _even(len(true))
    low, high = np.log(np.nanpercentile(true[frames], [1, 99]))
    valid = np.isfinite(true)
    scale = np.nanmedian(true[valid] / np.where(claimed[valid] > 0, claimed[valid], np.nan))

    def near(depth: np.ndarray) -> Picture:
        with np.errstate(invalid="ignore", divide="ignore"):
            return turbo(1.0 - (np.log(depth) - low) / max(high - low, 1e-6))

    rows = [
        [near(true[frame]) for frame in frames],
        [near(np.where(valid[frame], np.maximum(scale * claimed[frame], 1e-6), np.nan)) for frame in frames],
        [turbo(errors[frame] / WORST) for frame in frames],
    ]
    return np.concatenate([np.concatenate(row, axis=1) for row in rows])


def _path(true: Float[np.ndarray, "T 4 4"], claimed: Float[np.ndarray, "T 4 4"]) -> str:
    """Camera centres after the Sim(3) of the score, in the plane in which the true ones spread most."""
    centres = true[:, :3, 3]
    aligned = similarity(claimed[:, :3, 3], centres).poses(claimed)[:, :3, 3]
    mean = centres.mean(axis=0)
    axes = np.linalg.svd(centres - mean)[2][:2]
    flat = [(path - mean) @ axes.T for path in (centres, aligned)]
    both = np.concatenate(flat)
    size = max(float(np.ptp(both, axis=0).max()), 1e-3)
    middle = (both.max(axis=0) + both.min(axis=0)) / 2
    lines = []
    for path, colour, width in zip(flat, ("#8a8f98", "#d55e00"), (5, 2.5), strict=True):
        places = ((path - middle) / size * 260 + (160, 160)).round(1)
        text = " ".join(f"{x:g},{y:g}" for x, y in places)
        x, y = places[0]
        lines.append(
            f'<polyline points="{text}" fill="none" stroke="{colour}" stroke-width="{width}" stroke-linejoin="round"/>'
        )
        lines.append(f'<circle cx="{x:g}" cy="{y:g}" r="5" fill="{colour}"/>')
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 320 320">{"".join(lines)}</svg>\n'


def _tracks(rgb: UInt8[np.ndarray, "T H W 3"], cameras: Cameras, true: np.ndarray, claimed: np.ndarray) -> Picture:
    """Where moving points of the first frame went, true white and predicted orange, seen from the camera of each time."""
    frames = _even(len(rgb))[1:]
    height, width = rgb.shape[1:3]
    step = max(2, round(max(height, width) / 20))
    grid = np.zeros((height, width), bool)
    grid[step // 2 :: step, step // 2 :: step] = True
    moved = np.ptp(np.nan_to_num(true), axis=0).max(axis=-1) > MOVED_METRES
    chosen = grid & moved & np.isfinite(true).all(axis=(0, -1))
    pictures = []
    for frame in frames:
        picture = Image.fromarray((rgb[frame] * 0.6).astype(np.uint8)).resize(
            (2 * width, 2 * height), Image.Resampling.BICUBIC
        )
        drawing = ImageDraw.Draw(picture)
        for world, colour in ((true, TRUE), (claimed, CLAIMED)):
            seen = transform(invert(cameras.world_from_camera[frame]), world[: frame + 1, chosen])
            pixels = 2 * project(seen[:, None], np.tile(cameras.K[frame], (frame + 1, 1, 1)))[:, 0]
            for line, front in zip(np.moveaxis(pixels, 1, 0), (seen[..., 2] > 0.05).all(axis=0), strict=True):
                if front and np.isfinite(line).all():
                    drawing.line(
                        [tuple(place) for place in np.clip(line, -4e3, 4e3)], fill=colour, width=1 + (colour == TRUE)
                    )
                    x, y = line[-1]
                    drawing.ellipse([x - 2, y - 2, x + 2, y + 2], fill=colour)
        pictures.append(np.asarray(picture))
    return np.concatenate(pictures, axis=1)
