"""Motion by visibility as metrics on our own truth: TAPVid-3D, Syn4D, and the end-point error of what is hidden.

Whether a point is seen comes from rays cast against the meshes (`vdpm.raycast`), never from a comparison of depths.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Bool, Float

from benchmark.evaluators import tapvid3d, worldtrack
from benchmark.presets_motion import NO_POINT, still_or_moving
from benchmark.score import Better, Metric, Score, finite, once
from vdpm.clip import Prediction, Truth
from vdpm.geometry import invert, pixel_centres, transform

VISIBLE = 1
"""`vdpm.raycast.Seen`, without the ray caster: a method may be scored where there is none."""
HIDDEN, OUTSIDE = (2, 3), (4, 5)
QUERIES = 1024
"""Points of a video at most: one scaling of TAPVid-3D compares each with each."""
NO_CAMERA = "world_from_camera not claimed: tracks are scored in the camera of each frame"

# TAPVid-3D


@dataclass(frozen=True, kw_only=True)
class Video:
    """True and predicted tracks of one video, in the camera of each frame."""

    truth: tapvid3d.Tracks
    prediction: tapvid3d.Tracks
    queries_xyt: Float[np.ndarray, "N 3"]
    moving: Bool[np.ndarray, " N"]

    def chosen(self, moving_only: bool) -> "Video":
        keep = self.moving if moving_only else np.ones(len(self.moving), bool)
        truth, claimed = (
            tapvid3d.Tracks(xyz=tracks.xyz[:, keep], visible=tracks.visible[:, keep])
            for tracks in (self.truth, self.prediction)
        )
        return Video(truth=truth, prediction=claimed, queries_xyt=self.queries_xyt[keep], moving=self.moving[keep])


@once
def _video(truth: Truth, prediction: Prediction) -> Video:
    """Every k-th pixel of every k-th row of the first frame, k the smallest for `QUERIES` points at most.

    A method that does not say what is visible is taken to see everything, which enters only the scale.
    """
    assert truth.seen is not None and prediction.points is not None and prediction.world_from_camera is not None
    height, width = truth.points.shape[2:4]
    step = next(k for k in range(1, height * width + 1) if -(-height // k) * -(-width // k) <= QUERIES)
    grid = (slice(None), slice(None, None, step), slice(None, None, step))
    valid = np.isfinite(truth.points[0]).all(axis=(0, -1))[grid[1:]]
    claimed = np.ones_like(truth.seen[0], bool) if prediction.visible is None else prediction.visible[0]
    pixels = pixel_centres(height, width)[grid[1:]][valid]
    return Video(
        truth=tapvid3d.Tracks(
            xyz=_own_cameras(truth.points[0][grid][:, valid], truth.world_from_camera),
            visible=truth.seen[0][grid][:, valid] == VISIBLE,
        ),
        prediction=tapvid3d.Tracks(
            xyz=_own_cameras(prediction.points[0][grid][:, valid], prediction.world_from_camera),
            visible=claimed[grid][:, valid],
        ),
        queries_xyt=np.concatenate([pixels, np.zeros((len(pixels), 1))], axis=1),
        moving=still_or_moving(truth)[0][grid[1:]][valid],
    )


def _own_cameras(points: np.ndarray, world_from_camera: np.ndarray) -> np.ndarray:
    """Tracks (T, N, 3) in the frame of the first camera as seen from the camera of each frame."""
    camera_from_first = invert(world_from_camera) @ world_from_camera[0]
    return transform(camera_from_first[:, None], points.astype(np.float64))


def _tapvid_metrics(scaling: str) -> list[Metric]:
    @once
    def evaluated(truth: Truth, prediction: Prediction) -> dict[bool, tapvid3d.TrackScores | None]:
        image, lens = truth.points.shape[2:4], truth.K[0]
        focal = np.array([lens[0, 0], lens[1, 1], lens[0, 2], lens[1, 2]])
        scores: dict[bool, tapvid3d.TrackScores | None] = {}
        for moving in (False, True):
            video = _video(truth, prediction).chosen(moving)
            with np.errstate(invalid="ignore", divide="ignore"):
                scores[moving] = (
                    tapvid3d.score(
                        video.truth, video.prediction, video.queries_xyt, focal, (image[0], image[1]), scaling=scaling
                    )
                    if len(video.moving)
                    else None
                )
        return scores

    def column(field: str, moving: bool, truth: Truth, prediction: Prediction) -> Score:
        if prediction.points is None or prediction.world_from_camera is None:
            return Score(value=None, note=NO_CAMERA)
        scores = evaluated(truth, prediction)[moving]
        if scores is None:
            return Score(value=None, note="no moving pixel" if moving else NO_POINT)
        return finite(getattr(scores, field), int(_video(truth, prediction).chosen(moving).truth.visible.sum()))

    columns = [
        ("apd", "average_within", "APD", "points"),
        ("aj", "average_jaccard", "AJ", "visible"),
        ("oa", "occlusion_accuracy", "OA", "visible"),
    ]
    return [
        Metric(
            name=f"tapvid3d_{scaling}_{key}" + ("_moving" if moving else ""),
            function=partial(column, field, moving),
            needs=needs,  # type: ignore[arg-type]
            group=f"Tracks, {'moving' if moving else 'all'} points",
            title=title,
            unit="",
            better="higher",
            moving=moving,
            seen=True,
            unit_free=scaling != "none",
        )
        for moving in (False, True)
        for key, field, title, needs in columns
    ]


# Syn4D


@once
def _syn4d(truth: Truth, prediction: Prediction) -> worldtrack.Syn4D | None:
    assert truth.seen is not None and prediction.points is not None
    known = np.isfinite(truth.points[0]).all(axis=(0, -1))
    valid = truth.seen[0][:, known] == VISIBLE
    if not valid.any():
        return None
    return worldtrack.syn4d(truth.points[0][:, known], prediction.points[0][:, known], valid)


def _syn4d_score(read: Callable[[worldtrack.Syn4D], tuple[float, int] | None], truth: Truth, told: Prediction) -> Score:
    found = _syn4d(truth, told)
    if found is None:
        return Score(value=None, note=NO_POINT)
    value = read(found)
    return Score(value=None, note="no moving pixel") if value is None else finite(*value)


def _of(errors: worldtrack.TrackErrors | None, field: str) -> tuple[float, int] | None:
    return None if errors is None else (getattr(errors, field), errors.count)


def _syn4d_metrics() -> list[Metric]:
    columns: list[tuple[str, str, str, Better, bool, Callable[[worldtrack.Syn4D], tuple[float, int] | None]]] = [
        ("score", "score", "", "higher", False, lambda found: (found.score, found.all.count)),
        ("apd", "APD", "", "higher", False, lambda found: _of(found.all, "apd")),
        ("epe", "EPE", "m", "lower", False, lambda found: _of(found.all, "epe")),
        ("apd_moving", "APD", "", "higher", True, lambda found: _of(found.dynamic, "apd")),
        ("epe_moving", "EPE", "m", "lower", True, lambda found: _of(found.dynamic, "epe")),
    ]
    return [
        Metric(
            name=f"syn4d_{key}",
            function=partial(_syn4d_score, read),
            needs="points",
            group=f"Visible tracks, {'moving' if moving else 'all'} points",
            title=title,
            unit=unit,
            better=better,
            moving=moving,
            seen=True,
        )
        for key, title, unit, better, moving, read in columns
    ]


# By visibility


def _by_visibility(codes: tuple[int, ...], moving_only: bool, truth: Truth, prediction: Prediction) -> Score:
    """Mean end-point error of all maps over the entries of some visibility."""
    from benchmark.metrics import moving, point_distances  # which lists these metrics

    assert truth.seen is not None
    distance = point_distances(truth, prediction)
    if distance is None:
        return Score(value=None, note=NO_POINT)
    chosen = np.isin(truth.seen, codes) & np.isfinite(distance)
    if moving_only:
        chosen &= moving(truth.points)[:, None]
    if not chosen.any():
        return Score(value=None, note="no such point in this clip")
    return Score(value=float(distance[chosen].mean()), count=int(chosen.sum()))


_KINDS = {"visible": ((VISIBLE,), "visible"), "hidden": (HIDDEN, "hidden"), "outside": (OUTSIDE, "out of the frame")}

SEEN_METRICS: list[Metric] = [
    *(metric for scaling in tapvid3d.SCALINGS for metric in _tapvid_metrics(scaling)),
    *_syn4d_metrics(),
    *(
        Metric(
            name=f"seen_{kind}" + ("_moving" if only else ""),
            function=partial(_by_visibility, codes, only),
            needs="points",
            group="EPE, moving pixels" if only else "EPE, all pixels",
            title=title,
            unit="",
            moving=only,
            seen=True,
        )
        for only in (False, True)
        for kind, (codes, title) in _KINDS.items()
    ),
]
