"""The public evaluators (`benchmark.evaluators`) as metrics on our own truth, each under the evaluator's name.

Our truth is dense and complete, so every preset that asks for depth, cameras or dense motion can be answered. Those that
need to know when a point is hidden (TAPVid-3D, Syn4D) are in `benchmark.presets_seen`.
"""

from collections.abc import Callable
from functools import partial

from benchmark.align import is_static
from benchmark.evaluators import depth, relative_pose, trajectory
from benchmark.presets_motion import MOTION_METRICS
from benchmark.score import Better, Metric, Score, finite, once
from vdpm.clip import Prediction, Truth
from vdpm.geometry import invert

NO_DEPTH = "no pixel has a true depth"

# Depth

_DEPTH_COLUMNS: dict[str, tuple[str, str, str, Better]] = {
    "absrel": ("abs_rel", "AbsRel", "", "lower"),
    "sqrel": ("sq_rel", "SqRel", "m", "lower"),
    "rmse": ("rmse", "RMSE", "m", "lower"),
    "logrmse": ("log_rmse", "log RMSE", "", "lower"),
    "delta1": ("delta1", "δ<1.25", "", "higher"),
    "delta2": ("delta2", "δ<1.25²", "", "higher"),
    "delta3": ("delta3", "δ<1.25³", "", "higher"),
}


def _depth_metrics(preset: depth.Preset) -> list[Metric]:
    """Seven columns from one evaluation; the eighth number of a preset, valid pixels, is the count of a row."""

    @once
    def evaluated(truth: Truth, prediction: Prediction) -> depth.DepthErrors | None:
        assert prediction.depth is not None
        return preset.evaluate(prediction.depth, truth.depth)

    def column(field: str, truth: Truth, prediction: Prediction) -> Score:
        errors = evaluated(truth, prediction)
        if errors is None:
            return Score(value=None, note=NO_DEPTH)
        return finite(getattr(errors, field), errors.valid_pixels)

    return [
        Metric(
            name=f"depth_{preset.name}_{key}",
            function=partial(column, field),
            needs="depth",
            group=f"Depth as {preset.name}",
            title=title,
            unit=unit,
            better=better,
            unit_free=preset.unit_free,
        )
        for key, (field, title, unit, better) in _DEPTH_COLUMNS.items()
    ]


# Camera

_POSE_COLUMNS = {
    "ate": ("ate", "ATE", True),
    "rpe_translation": ("rpe_translation", "RPE-t", True),
    "rpe_rotation": ("rpe_rotation", "RPE-r", False),
}


def _pose_metrics(name: str, evaluate: Callable[..., trajectory.TrajectoryErrors], length: str) -> list[Metric]:
    """ATE, RPE-t, RPE-r; where the evaluator refuses a trajectory, a blank with its reason."""

    def column(field: str, truth: Truth, prediction: Prediction) -> Score:
        true, claimed = truth.world_from_camera, prediction.world_from_camera
        assert claimed is not None
        if len(true) < 2:
            return Score(value=None, note="one frame has no relative motion")
        try:
            return finite(getattr(evaluate(true, claimed), field), len(true) if field == "ate" else len(true) - 1)
        except trajectory.Refused as error:
            return Score(value=None, note=str(error))

    return [
        Metric(
            name=f"pose_{name}_{key}",
            function=partial(column, field),
            needs="world_from_camera",
            group=f"Camera pose as {name}",
            title=title,
            unit=length if is_length else "deg",
        )
        for key, (field, title, is_length) in _POSE_COLUMNS.items()
    ]


def _relative_metrics(convention: str) -> list[Metric]:
    """AUC, RRA and RTA at four thresholds under one convention."""

    @once
    def errors_of(truth: Truth, prediction: Prediction) -> relative_pose.PairErrors:
        assert prediction.world_from_camera is not None
        return relative_pose.pair_errors(
            invert(truth.world_from_camera), invert(prediction.world_from_camera), convention
        )

    def column(
        share: Callable[[relative_pose.PairErrors, int], float], threshold: int, truth: Truth, prediction: Prediction
    ) -> Score:
        if len(truth.world_from_camera) < 2:
            return Score(value=None, note="one frame has no relative motion")
        if is_static(truth.world_from_camera[:, :3, 3]):
            return Score(value=None, note="the true camera stands still: its translation has no direction")
        errors = errors_of(truth, prediction)
        return Score(value=share(errors, threshold), count=len(errors.rotation))

    shares = {"auc": relative_pose.auc, "rra": relative_pose.rra, "rta": relative_pose.rta}
    return [
        Metric(
            name=f"{key}{threshold}_{convention}",
            function=partial(column, share, threshold),
            needs="world_from_camera",
            group=f"{key.upper()} as {convention}",
            title=f"{key.upper()}@{threshold}",
            unit="",
            better="higher",
        )
        for key, share in shares.items()
        for threshold in relative_pose.THRESHOLDS
    ]


PRESET_METRICS: list[Metric] = [
    *(metric for preset in depth.PRESETS.values() for metric in _depth_metrics(preset)),
    *_pose_metrics("monst3r", trajectory.monst3r, "m"),
    *_pose_metrics("megasam", trajectory.megasam, ""),
    *(metric for convention in relative_pose.CONVENTIONS for metric in _relative_metrics(convention)),
    *MOTION_METRICS,
]
