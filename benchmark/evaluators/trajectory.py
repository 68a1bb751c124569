"""Camera trajectories: ATE and RPE as the public evaluators compute them, refusals included.

Poses are world_from_camera (camera to world), metres; ATE and RPE_t in the unit of the truth, RPE_r in degrees. The clean
default, which scores straight paths too, is `benchmark.metrics`.
"""

from dataclasses import dataclass

import numpy as np
from evo.core import metrics  # evo.core alone leaves ~/.evo untouched and prints nothing
from evo.core.geometry import GeometryException
from evo.core.trajectory import PoseTrajectory3D
from jaxtyping import Float, Float64
from scipy.spatial.transform import Rotation

from benchmark.align import similarity
from benchmark.evaluators.relative_pose import pairs, rotation_degrees
from vdpm.geometry import invert

Poses = Float[np.ndarray, "T 4 4"]


@dataclass(frozen=True, kw_only=True)
class TrajectoryErrors:
    """The three numbers of a sequence."""

    ate: float
    rpe_translation: float
    rpe_rotation: float
    """Degrees."""


class Refused(ValueError):
    """The reference raises on this trajectory, and the sequence drops out of its mean."""


def _trajectory(world_from_camera: Poses) -> PoseTrajectory3D:
    """As the evaluators write them: position and quaternion w x y z, one time stamp a frame."""
    quaternion = Rotation.from_matrix(world_from_camera[:, :3, :3]).as_quat()[:, [3, 0, 1, 2]]
    stamps = np.arange(len(world_from_camera), dtype=float)
    return PoseTrajectory3D(world_from_camera[:, :3, 3].astype(np.float64), quaternion, stamps)


def monst3r(truth: Poses, prediction: Poses) -> TrajectoryErrors:
    """What MonST3R, CUT3R, Pi3, 4RC and Easi3R ask of evo: Sim(3) alignment of all positions, then three rmse.

    ATE: distance of positions. RPE: E_i = (Q_i^-1 Q_i+1)^-1 (A_i^-1 A_i+1) of the *aligned* poses A, its translation and
    its angle, over neighbouring frames. Raises `Refused` where evo does: positions of either side that stand still or lie
    exactly on a line ("Degenerate covariance rank"), or fewer than two poses. The number of a data set is the unweighted
    mean over the sequences that are left. Versions: MonST3R 574cc77a, evo 1.31.1.
    """
    if len(truth) < 2:
        raise Refused("one frame has no relative motion")
    reference, estimate = _trajectory(truth), _trajectory(prediction)
    try:
        estimate.align(reference, correct_scale=True)
    except GeometryException as error:
        raise Refused(f"evo refuses: {error}") from error
    relative = {"delta": 1.0, "delta_unit": metrics.Unit.frames, "rel_delta_tol": 0.01, "all_pairs": True}
    angle, part = metrics.PoseRelation.rotation_angle_deg, metrics.PoseRelation.translation_part
    return TrajectoryErrors(
        ate=_rmse(metrics.APE(part), reference, estimate),
        rpe_translation=_rmse(metrics.RPE(part, **relative), reference, estimate),
        rpe_rotation=_rmse(metrics.RPE(angle, **relative), reference, estimate),
    )


def _rmse(error: metrics.PE, reference: PoseTrajectory3D, estimate: PoseTrajectory3D) -> float:
    error.process_data((reference, estimate))
    return float(error.get_statistic(metrics.StatisticsType.rmse))


def megasam(truth: Poses, prediction: Poses) -> TrajectoryErrors:
    """MegaSaM's: the truth's positions divided by the distance of its last to its first camera + 1e-8, then as above.

    Lengths are shares of that distance, so they compare with nothing else. Horn's Sim(3), which equals Umeyama's. A truth
    that ends where it began is blown up by 1e8: that is the reference's rule. Version: MegaSaM c2e0099c.
    """
    truth, prediction = truth.astype(np.float64), prediction.astype(np.float64)
    extent = np.linalg.norm((invert(truth[-1]) @ truth[0])[:3, 3]) + 1e-8
    scaled = truth.copy()
    scaled[:, :3, 3] /= extent
    aligned = similarity(prediction[:, :3, 3], scaled[:, :3, 3]).poses(prediction)
    error = invert(_steps(scaled)) @ _steps(aligned)
    angle = Rotation.from_matrix(error[:, :3, :3]).magnitude()
    return TrajectoryErrors(
        ate=_root_mean_square(np.linalg.norm(aligned[:, :3, 3] - scaled[:, :3, 3], axis=-1)),
        rpe_translation=_root_mean_square(np.linalg.norm(error[:, :3, 3], axis=-1)),
        rpe_rotation=_root_mean_square(np.degrees(angle)),
    )


def _steps(poses: Float64[np.ndarray, "T 4 4"]) -> Float64[np.ndarray, "T_minus_1 4 4"]:
    return invert(poses[:-1]) @ poses[1:]


def _root_mean_square(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def inverted_looks_better(truth: Poses, prediction: Poses) -> bool:
    """Whether a prediction is likely camera_from_world where world_from_camera is asked for.

    It compares what no choice of world or unit can change: the relative rotations and the directions of the relative
    translations of all pairs, as given and inverted. Only a clear verdict counts: inverted it fits to within 5 degrees
    (median of the larger of the two errors), as given it is at least three times worse and off by more than 5 degrees.
    Never corrects anything.
    """
    if len(truth) < 3:
        return False
    as_given, inverted = (_disagreement(truth, poses) for poses in (prediction, invert(prediction)))
    return inverted < 5.0 < as_given and as_given > 3.0 * inverted


def _disagreement(truth: Poses, prediction: Poses) -> float:
    """Median over pairs of the larger of rotation error and angle between relative translations, degrees, 0 to 180."""
    i, j = pairs(len(truth))
    true, claimed = (invert(poses[i]) @ poses[j] for poses in (truth.astype(np.float64), prediction.astype(np.float64)))
    unit, other = (
        each[:, :3, 3] / np.maximum(np.linalg.norm(each[:, :3, 3:], axis=1), 1e-15) for each in (true, claimed)
    )
    angle = np.degrees(np.arccos(np.clip(np.einsum("na,na->n", unit, other), -1.0, 1.0)))
    return float(np.median(np.maximum(angle, rotation_degrees(true[:, :3, :3], claimed[:, :3, :3]))))
