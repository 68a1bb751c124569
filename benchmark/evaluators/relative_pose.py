"""Relative camera poses of all pairs of frames: RRA, RTA and AUC, under each convention that is in use.

The conventions give different numbers for the same poses, because a direction of translation depends on the frame that
the relative pose is expressed in; name the one that was used. E_i is camera_from_world (world to camera).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Int

from vdpm.geometry import invert

THRESHOLDS = (3, 5, 15, 30)
"""Degrees."""
UNDEFINED = 1e6
"""Error in degrees of a direction that is not finite."""
_TINY = 1e-15

Stack = Float64[np.ndarray, "N 4 4"]
Relation = Callable[[Stack, Stack, Stack], Stack]

CONVENTIONS: dict[str, Relation] = {
    "vggt": lambda first, second, origin: first @ invert(second),
    "pi3": lambda first, second, origin: second @ invert(first),
    "da3": lambda first, second, origin: invert(first @ invert(origin)) @ (second @ invert(origin)),
}
"""Relative pose of E_1 and E_2, with E_0 of the first camera of the sequence.

vggt: E_1 E_2^-1 (VGGT's evaluation branch 4b8be14b; MapAnything f7ebafb4 has P_1^-1 P_2 of camera-to-world poses, the
same). pi3: E_2 E_1^-1 (Pi3 97ce97b8; VGGT-Omega 299be1ff). da3: both brought to camera 0, then E_1^-1 E_2 (Depth Anything
3, 2c21ea84), which is no relative pose, but it is what its numbers are.
"""


@dataclass(frozen=True, kw_only=True)
class PairErrors:
    """Errors in degrees of all pairs i < j."""

    rotation: Float64[np.ndarray, " N"]
    translation: Float64[np.ndarray, " N"]
    """Angle between the directions, opposite directions being equal: at most 90."""

    @property
    def maximum(self) -> Float64[np.ndarray, " N"]:
        return np.maximum(self.rotation, self.translation)


def pairs(count: int) -> tuple[Int[np.ndarray, " N"], Int[np.ndarray, " N"]]:
    """All i < j."""
    return np.triu_indices(count, k=1)


def pair_errors(
    truth: Float[np.ndarray, "T 4 4"], prediction: Float[np.ndarray, "T 4 4"], convention: str
) -> PairErrors:
    """Errors of the relative poses of camera_from_world matrices.

    Rotation: arccos(1 - 2 max(1 - (q q')^2, 1e-15)), the geodesic angle. Translation: arccos sqrt(1 - max(1 - (t t')^2,
    1e-15)) of unit t; a relative translation of zero is 90 degrees off.
    """
    i, j = pairs(len(truth))
    relation = CONVENTIONS[convention]
    true, claimed = (
        relation(poses[i], poses[j], poses[:1]) for poses in (truth.astype(np.float64), prediction.astype(np.float64))
    )
    return PairErrors(
        rotation=rotation_degrees(true[:, :3, :3], claimed[:, :3, :3]),
        translation=direction_degrees(true[:, :3, 3], claimed[:, :3, 3]),
    )


def rotation_degrees(
    first: Float64[np.ndarray, "N 3 3"], second: Float64[np.ndarray, "N 3 3"]
) -> Float64[np.ndarray, " N"]:
    """Angle between rotations. 1 - (q q')^2 = (3 - trace) / 4."""
    trace = np.einsum("nab,nab->n", first, second)
    sine_squared = np.clip((3.0 - trace) / 4.0, _TINY, 1.0)
    return np.degrees(np.arccos(1.0 - 2.0 * sine_squared))


def direction_degrees(
    first: Float64[np.ndarray, "N 3"], second: Float64[np.ndarray, "N 3"]
) -> Float64[np.ndarray, " N"]:
    """Angle between lines, 0 to 90."""
    unit, other = (t / (np.linalg.norm(t, axis=1, keepdims=True) + _TINY) for t in (first, second))
    with np.errstate(invalid="ignore"):
        sine_squared = np.maximum(1.0 - np.einsum("na,na->n", unit, other) ** 2, _TINY)
        angle = np.degrees(np.arccos(np.sqrt(1.0 - sine_squared)))
    return np.where(np.isfinite(angle), angle, UNDEFINED)


def auc(errors: PairErrors, threshold: int) -> float:
    """Mean over k = 1 to T of the share of pairs whose larger error is in [0, k); an error of exactly T counts for T."""
    histogram, _ = np.histogram(errors.maximum, bins=np.arange(threshold + 1))
    return float(np.cumsum(histogram / len(errors.maximum)).mean())


def rra(errors: PairErrors, threshold: int) -> float:
    """Share of pairs whose rotation is off by less than T degrees."""
    return float(np.mean(errors.rotation < threshold))


def rta(errors: PairErrors, threshold: int) -> float:
    """Share of pairs whose direction of translation is off by less than T degrees."""
    return float(np.mean(errors.translation < threshold))


def pooled(sequences: list[PairErrors]) -> PairErrors:
    """All pairs of all sequences together, as Pi3 counts; VGGT and Depth Anything 3 take the mean over sequences."""
    return PairErrors(
        rotation=np.concatenate([each.rotation for each in sequences]),
        translation=np.concatenate([each.translation for each in sequences]),
    )
