"""The metrics: pure functions from truth and prediction to a score, and the registry that names them.

A metric sees the truth and the prediction of one task (`benchmark.protocols`). It is called only when the prediction
claims the quantity it needs, and answers with a `Score`: a value, or a blank with the reason. Missing is never zero.

To add one, write the function and a line in `METRICS`, and name it in the protocols that should report it. What stands
here are our own definitions; those of other evaluators are in `benchmark.presets`.
"""

from collections.abc import Callable
from functools import partial
from itertools import combinations

import numpy as np
from evo.core.metrics import APE, PE, RPE, PoseRelation, StatisticsType, Unit  # evo.core alone leaves ~/.evo untouched
from evo.core.trajectory import PosePath3D
from jaxtyping import Bool, Float32, Float64

from benchmark.align import is_line, is_static, l1_scale, lengths, scaled_distances, similarity
from benchmark.cost import COST_METRICS
from benchmark.evaluators import end_point
from benchmark.evaluators.trajectory import inverted_looks_better
from benchmark.presets import PRESET_METRICS
from benchmark.presets_seen import SEEN_METRICS
from benchmark.score import Metric, Score, once
from vdpm.clip import Prediction, Truth

MOVING_METRES = 0.01
"""A pixel moves when its surface point is farther than this from itself at any two times of the task."""
MIX_UP = "the poses look like camera_from_world where world_from_camera is asked for; scored as they are"
ON_A_LINE = "camera centres on a line: the rotation about it is free and does not change the value"


@once
def aligned_depth(truth: Truth, prediction: Prediction) -> tuple[np.ndarray, np.ndarray]:
    """Valid true depths and the predicted ones after one scale for the whole video, both float64.

    Scale: the exact minimiser of sum |s p - g| (`benchmark.align.l1_scale`); NaN where the prediction has none.
    """
    assert prediction.depth is not None
    valid = np.isfinite(truth.depth)
    target, depth = truth.depth[valid].astype(np.float64), prediction.depth[valid].astype(np.float64)
    return target, l1_scale(depth, target) * depth


def _depth_score(error: Callable[[np.ndarray, np.ndarray], np.ndarray], truth: Truth, prediction: Prediction) -> Score:
    target, depth = aligned_depth(truth, prediction)
    if not len(target):
        return Score(value=None, note="no pixel has a true depth")
    if not np.isfinite(depth).all():
        return Score(value=None, note="no predicted depth is positive")
    return Score(value=float(error(target, depth).mean()), count=len(target))


def _relative_error(target: np.ndarray, depth: np.ndarray) -> np.ndarray:
    return np.abs(depth - target) / target


def _within_quarter(target: np.ndarray, depth: np.ndarray) -> np.ndarray:
    return (depth < 1.25 * target) & (target < 1.25 * depth)


def depth_absrel(truth: Truth, prediction: Prediction) -> Score:
    """AbsRel: mean of |s p - g| / g over the valid pixels of all frames, one scale s per video."""
    return _depth_score(_relative_error, truth, prediction)


def depth_delta125(truth: Truth, prediction: Prediction) -> Score:
    """Share of valid pixels with max(s p / g, g / s p) < 1.25, one scale s per video."""
    return _depth_score(_within_quarter, truth, prediction)


def _pose_score(error: PE, truth: Truth, prediction: Prediction) -> Score:
    """Rmse of an evo error after Sim(3) alignment of the camera centres (Umeyama 1991, as evo, without its refusals)."""
    assert prediction.world_from_camera is not None
    true, claimed = truth.world_from_camera, prediction.world_from_camera
    centres, claimed_centres = true[:, :3, 3], claimed[:, :3, 3]
    rotation_only = error.unit == Unit.degrees
    if is_static(centres) and not rotation_only:
        return Score(value=None, note="the true camera stands still: a Sim(3) can shrink any path onto it")
    if len(true) < 2:
        return Score(value=None, note="one frame has no relative motion")
    aligned = similarity(claimed_centres, centres).poses(claimed)
    error.process_data((PosePath3D(poses_se3=list(true)), PosePath3D(poses_se3=list(aligned))))
    notes = [ON_A_LINE] if not rotation_only and (is_line(centres) or is_line(claimed_centres)) else []
    notes += [MIX_UP] if _mixed_up(true, claimed) else []
    value = float(error.get_statistic(StatisticsType.rmse))
    return Score(value=value, count=len(error.error), note="; ".join(notes))


@once
def _mixed_up(true: Float64[np.ndarray, "T 4 4"], claimed: Float64[np.ndarray, "T 4 4"]) -> bool:
    return inverted_looks_better(true, claimed)


def pose_ate(truth: Truth, prediction: Prediction) -> Score:
    """ATE: rmse distance of the camera centres after Sim(3) alignment, metres."""
    return _pose_score(APE(PoseRelation.translation_part), truth, prediction)


def pose_rpe_translation(truth: Truth, prediction: Prediction) -> Score:
    """RPE: rmse translation of the relative error between neighbouring frames, after Sim(3) alignment, metres."""
    error = RPE(PoseRelation.translation_part, delta=1, delta_unit=Unit.frames, all_pairs=True)
    return _pose_score(error, truth, prediction)


def pose_rpe_rotation(truth: Truth, prediction: Prediction) -> Score:
    """RPE: rmse rotation angle of the relative error between neighbouring frames, degrees."""
    error = RPE(PoseRelation.rotation_angle_deg, delta=1, delta_unit=Unit.frames, all_pairs=True)
    return _pose_score(error, truth, prediction)


@once
def moving(points: Float32[np.ndarray, "S T H W 3"]) -> Bool[np.ndarray, "S H W"]:
    """Pixels whose true point is more than `MOVING_METRES` apart at any two times of the task.

    Two times differ by no more than the diagonal of the box around a path, and by no less than its longest side, so that
    pairs of times are compared only where the box does not decide.
    """
    with np.errstate(invalid="ignore"):
        box = (points.max(axis=1) - points.min(axis=1)).astype(np.float64)
        moves = box.max(axis=-1) > MOVING_METRES * (1 + 1e-4)  # a margin for rounding on either side
        open_question = ~moves & (np.linalg.norm(box, axis=-1) > MOVING_METRES * (1 - 1e-4))
    paths = np.moveaxis(points, 1, 0)[:, open_question]
    decided = np.zeros(paths.shape[1], bool)
    for i, j in combinations(range(len(paths)), 2):
        decided |= np.linalg.norm(paths[i] - paths[j], axis=-1) > MOVING_METRES
    moves[open_question] = decided
    return moves


@once
def point_distances(truth: Truth, prediction: Prediction) -> Float64[np.ndarray, "S T H W"] | None:
    """Distance of predicted to true points, both at unit mean norm; NaN where the truth is unknown.

    V-DPM normalises prediction and truth to unit mean norm and aligns nothing else, so camera error counts. It leaves
    open what the mean runs over. Here: jointly over all point maps of the task, and over the pixels with valid truth.
    None when no such pixel exists or all predicted points lie at the origin.
    """
    assert prediction.points is not None
    valid = np.isfinite(truth.points).all(axis=-1)
    norm, true_norm = (_joint_norm(points, valid) for points in (prediction.points, truth.points))
    if not norm or not true_norm:
        return None
    distance = np.empty(valid.shape)
    for place in np.ndindex(valid.shape[:2]):  # map by map, since what fits into a cache is faster
        distance[place] = scaled_distances(prediction.points[place], norm, truth.points[place], true_norm)
    return np.where(valid, distance, np.nan)


def _joint_norm(points: Float32[np.ndarray, "S T H W 3"], valid: Bool[np.ndarray, "S T H W"]) -> float:
    """Mean norm over the valid pixels of all maps; 0 where there is none."""
    norms = np.concatenate([lengths(points[place])[valid[place]] for place in np.ndindex(valid.shape[:2])])
    return float(norms.mean()) if len(norms) else 0.0


@once
def point_distances_per_map(truth: Truth, prediction: Prediction) -> Float64[np.ndarray, "S T H W"] | None:
    """As `point_distances`, but each point map is brought to unit mean norm on its own: the other reading of V-DPM."""
    assert prediction.points is not None
    distance = end_point.distances(truth.points, prediction.points, "per_map")
    return distance if np.isfinite(distance).any() else None


def end_point_error(
    maps: tuple[int | slice, int | slice],
    moving_only: bool,
    truth: Truth,
    prediction: Prediction,
    *,
    distances: Callable[[Truth, Prediction], Float64[np.ndarray, "S T H W"] | None] = point_distances,
) -> Score:
    """EPE: mean distance over the valid pixels of the maps [source, time], optionally of moving ones only.

    The normalisation is that of the whole task in both cases.
    """
    distance = distances(truth, prediction)
    if distance is None:
        return Score(value=None, note="no pixel has a true point, or all predicted points lie at the origin")
    chosen = distance[maps]
    if moving_only:
        chosen = np.where(moving(truth.points)[maps[0]], chosen, np.nan)
    chosen = chosen[np.isfinite(chosen)]
    if not len(chosen):
        return Score(value=None, note="no moving pixel" if moving_only else "no pixel has a true point")
    return Score(value=float(chosen.mean()), count=len(chosen))


@once
@once
def displacement_error(truth: Truth, prediction: Prediction) -> Score:
    """Sum of |(Q_j - P) - (X_j - X)| over sum of |X_j - X|: moving pixels, all times but that of their own frame.

    P and X are where a point is at the time of its own frame, Q_j and X_j at time j, predicted and true, at the joint unit
    mean norm of `point_distances`. Nothing moves: exactly 1. Geometry and cameras enter only as far as they differ
    between two times, so that a motion cannot look better because the shape is worse. The weight is the lower sum.

    A mean of this over tasks and clips lets one in which hardly anything moves decide: there a small error is a large
    share. `displacement_error_pooled` adds both sums over all tasks and clips before it divides.
    """
    assert prediction.points is not None
    valid = np.isfinite(truth.points).all(axis=-1)
    norm, true_norm = (_joint_norm(points, valid) for points in (prediction.points, truth.points))
    if not norm or not true_norm:
        return Score(value=None, note="no pixel has a true point, or all predicted points lie at the origin")
    error, length, count = 0.0, 0.0, 0
    for index, own in enumerate(truth.sources):
        for time in {*range(truth.points.shape[1])} - {own}:
            chosen = moving(truth.points)[index] & valid[index, time] & valid[index, own]
            step, true_step = (
                (points[index, time][chosen].astype(np.float64) - points[index, own][chosen]) / unit
                for points, unit in ((prediction.points, norm), (truth.points, true_norm))
            )
            error += float(lengths(step - true_step).sum())
            length += float(lengths(true_step).sum())
            count += int(chosen.sum())
    if not length:
        return Score(value=None, note="no moving pixel")
    return Score(value=error / length, count=count, weight=length)


def _epe(name: str, title: str, maps: tuple[int | slice, int | slice]) -> list[Metric]:
    """An end-point error over all valid pixels and its twin over the moving ones, under either normalisation."""
    return [
        Metric(
            name=name + norm + suffix,
            function=partial(end_point_error, maps, only, distances=distances),
            needs="points",
            group=group,
            title=title,
            unit="",
            moving=only,
        )
        for norm, distances in (("", point_distances), ("_per_map", point_distances_per_map))
        for suffix, only, group in (("", False, "EPE, all pixels"), ("_moving", True, "EPE, moving pixels"))
    ]


_DEPTH, _POSE = "Depth", "Camera pose"
_ALL = [
    Metric(name="depth_absrel", function=depth_absrel, needs="depth", group=_DEPTH, title="AbsRel", unit=""),
    Metric(
        name="depth_delta125",
        function=depth_delta125,
        needs="depth",
        group=_DEPTH,
        title="δ<1.25",
        unit="",
        better="higher",
    ),
    Metric(name="pose_ate", function=pose_ate, needs="world_from_camera", group=_POSE, title="ATE", unit="m"),
    Metric(
        name="pose_rpe_translation",
        function=pose_rpe_translation,
        needs="world_from_camera",
        group=_POSE,
        title="RPE-t",
        unit="m",
    ),
    Metric(
        name="pose_rpe_rotation",
        function=pose_rpe_rotation,
        needs="world_from_camera",
        group=_POSE,
        title="RPE-r",
        unit="deg",
    ),
    *_epe("epe_p0_t0", "P0(t0)", (0, 0)),
    *_epe("epe_p0_t1", "P0(t1)", (0, 1)),
    *_epe("epe_p1_t0", "P1(t0)", (1, 0)),
    *_epe("epe_p1_t1", "P1(t1)", (1, 1)),
    *_epe("epe_track", "P0(t0…t9)", (0, slice(None))),
    Metric(
        name="displacement_error",
        function=displacement_error,
        needs="points",
        group="Motion, moving pixels",
        title="Displacement error, mean over clips",
        unit="",
    ),
    Metric(
        name="displacement_error_pooled",
        function=displacement_error,
        needs="points",
        group="Motion, moving pixels",
        title="Displacement error, pooled over clips",
        unit="",
        pooled=True,
    ),
    *PRESET_METRICS,
    *SEEN_METRICS,
    *COST_METRICS,
]
METRICS: dict[str, Metric] = {metric.name: metric for metric in _ALL}
