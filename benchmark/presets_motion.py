"""Motion and reconstruction of the public evaluators as metrics on our own truth; `benchmark.presets` has the rest."""

from collections.abc import Callable
from functools import partial

import numpy as np

from benchmark.evaluators import end_point, reconstruction, scene_flow, worldtrack
from benchmark.score import Better, Metric, Score, finite, once
from vdpm.clip import Prediction, Truth
from vdpm.geometry import transform, unproject

NO_POINT = "no pixel has a true point, or all predicted points lie at the origin"
RANSAC_SEED = 0

# Motion


@once
def still_or_moving(truth: Truth) -> np.ndarray:
    """Which pixels (S, H, W) move by WorldTrack's rule: a path longer than a centimetre."""
    with np.errstate(invalid="ignore"):
        path = np.linalg.norm(np.diff(truth.points, axis=1), axis=-1).sum(axis=1)
        return path > worldtrack.DYNAMIC_METRES


@once
def _flow(truth: Truth, prediction: Prediction) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """True and predicted P0(t1) - P0(t0) of the valid pixels (N, 3), metres, and which of them move.

    The prediction is brought to metres by the ratio of the joint mean norms of all maps, as in the end-point error.
    """
    assert prediction.points is not None
    valid = np.isfinite(truth.points).all(axis=-1)
    if not valid.any():
        return None
    norms, true_norms = (
        end_point.mean_norms(points, valid, "joint")[0, 0] for points in (prediction.points, truth.points)
    )
    if not norms > 0:
        return None
    both = valid[0, 0] & valid[0, 1]
    true, claimed = (points[0, 1][both] - points[0, 0][both] for points in (truth.points, prediction.points))
    return true, (claimed * (true_norms / norms)).astype(np.float32), still_or_moving(truth)[0][both]


def _flow_metrics() -> list[Metric]:
    @once
    def evaluated(truth: Truth, prediction: Prediction) -> dict[bool, scene_flow.FlowErrors | None]:
        flow = _flow(truth, prediction)
        if flow is None:
            return {}
        true, claimed, moves = flow
        return {False: scene_flow.scene_flow(true, claimed), True: scene_flow.scene_flow(true, claimed, moves)}

    def column(field: str, moving: bool, truth: Truth, prediction: Prediction) -> Score:
        errors = evaluated(truth, prediction)
        if not errors:
            return Score(value=None, note=NO_POINT)
        chosen = errors[moving]
        return (
            Score(value=None, note="no moving pixel")
            if chosen is None
            else finite(getattr(chosen, field), chosen.count)
        )

    columns: list[tuple[str, str, str, Better]] = [
        ("epe3d", "EPE3D", "m", "lower"),
        ("acc_strict", "AccS", "", "higher"),
        ("acc_relaxed", "AccR", "", "higher"),
        ("outliers", "Outliers", "", "lower"),
    ]
    return [
        Metric(
            name=f"flow_{field}" + ("_moving" if moving else ""),
            function=partial(column, field, moving),
            needs="points",
            group="Scene flow, moving pixels" if moving else "Scene flow, all pixels",
            title=title,
            unit=unit,
            better=better,
            moving=moving,
        )
        for moving in (False, True)
        for field, title, unit, better in columns
    ]


def _tracks(points: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """P0(t0 ...) of the valid pixels as tracks (T, N, 3) in the frame of the first camera."""
    return points[0][:, valid]


def _world_metrics(
    name: str, label: str, evaluate: Callable[[np.ndarray, np.ndarray], worldtrack.VideoScores]
) -> list[Metric]:
    @once
    def evaluated(truth: Truth, prediction: Prediction) -> worldtrack.VideoScores | None:
        assert prediction.points is not None
        valid = np.isfinite(truth.points[0]).all(axis=(0, -1))
        if valid.sum() < 3:
            return None
        return evaluate(_tracks(truth.points, valid), _tracks(prediction.points, valid))

    def column(field: str, moving: bool, truth: Truth, prediction: Prediction) -> Score:
        video = evaluated(truth, prediction)
        if video is None:
            return Score(value=None, note="fewer than three pixels have a true point")
        errors = video.dynamic if moving else video.all
        if errors is None:
            return Score(value=None, note="no moving pixel")
        return finite(getattr(errors, field), errors.count)

    columns: list[tuple[str, str, str, Better]] = [
        ("apd", f"APD, {label}", "", "higher"),
        ("epe", f"EPE, {label}", "m", "lower"),
    ]
    return [
        Metric(
            name=f"{name}_{field}" + ("_moving" if moving else ""),
            function=partial(column, field, moving),
            needs="points",
            group=f"Dense tracks, {'moving' if moving else 'all'} pixels",
            title=title,
            unit=unit,
            better=better,
            moving=moving,
            unit_free=name != "world_ransac",  # rounding decides which sample wins
        )
        for moving in (False, True)
        for field, title, unit, better in columns
    ]


def _four_rc(truth: np.ndarray, prediction: np.ndarray) -> worldtrack.VideoScores:
    return worldtrack.four_rc(truth, prediction, np.random.default_rng(RANSAC_SEED))


# Point clouds

CLOUD_STEP = 4
"""Every fourth pixel of every fourth row: a cloud of a clip stays at some ten thousand points."""
CLOUD_FAR = 10.0
"""Metres; the loaders of the reference codes ignore depth beyond."""


@once
def _clouds(truth: Truth, prediction: Prediction) -> reconstruction.CloudErrors | str:
    """Errors of the cloud of a whole clip, or why there is none."""
    if prediction.depth is None or prediction.K is None or prediction.world_from_camera is None:
        return "a cloud needs depth, K and world_from_camera"
    near = (truth.depth < CLOUD_FAR)[:, ::CLOUD_STEP, ::CLOUD_STEP]
    if near.sum() < 3:
        return f"fewer than three pixels have a true depth below {CLOUD_FAR:g} m"
    true = _cloud(truth.depth, truth.K, truth.world_from_camera)[near]
    claimed = reconstruction.align(_cloud(prediction.depth, prediction.K, prediction.world_from_camera)[near], true)
    return reconstruction.cloud_errors(reconstruction.icp(claimed, true), true)


def _cloud(depth_map: np.ndarray, K: np.ndarray, world_from_camera: np.ndarray) -> np.ndarray:
    """World points of the chosen pixels (T, h, w, 3)."""
    points = unproject(depth_map, K)[:, ::CLOUD_STEP, ::CLOUD_STEP]
    return transform(world_from_camera[:, None, None], points)


def _cloud_metrics() -> list[Metric]:
    def column(field: str, truth: Truth, prediction: Prediction) -> Score:
        errors = _clouds(truth, prediction)
        if isinstance(errors, str):
            return Score(value=None, note=errors)
        count = int((truth.depth < CLOUD_FAR)[:, ::CLOUD_STEP, ::CLOUD_STEP].sum())
        return finite(getattr(errors, field), count)

    columns: list[tuple[str, str, str, Better]] = [
        ("accuracy", "accuracy", "m", "lower"),
        ("completion", "completion", "m", "lower"),
        ("chamfer", "chamfer", "m", "lower"),
        ("normals", "normals", "", "higher"),
        ("f_score", "F@5cm", "", "higher"),
    ]
    return [
        Metric(
            name=f"cloud_{field}",
            function=partial(column, field),
            needs="depth",
            group="Point cloud",
            title=title,
            unit=unit,
            better=better,
        )
        for field, title, unit, better in columns
    ]


MOTION_METRICS: list[Metric] = [
    *_flow_metrics(),
    *_world_metrics("world_global", "scale", worldtrack.st4rtrack),
    *_world_metrics("world_sim3", "Sim(3)", partial(worldtrack.st4rtrack, alignment="sim3_closed")),
    *_world_metrics("world_ransac", "RANSAC", _four_rc),
    *_cloud_metrics(),
]
