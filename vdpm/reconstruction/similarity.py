"""Similarities (Sim(3)) between the worlds of windows: pure functions."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64

ROUNDS = 12
"""Of re-weighting; it has converged to rounding after half of them."""
OUTLIER = 3.0
"""Residuals this many times their median weigh half as much as they would (Cauchy)."""


@dataclass(frozen=True, kw_only=True)
class Similarity:
    """target = scale * rotation @ source + translation."""

    scale: float
    rotation: Float64[np.ndarray, "3 3"]
    translation: Float64[np.ndarray, " 3"]

    def points(self, source: Float[np.ndarray, "*N 3"]) -> Float64[np.ndarray, "*N 3"]:
        return self.scale * source.astype(np.float64) @ self.rotation.T + self.translation

    def poses(self, world_from_camera: Float64[np.ndarray, "*N 4 4"]) -> Float64[np.ndarray, "*N 4 4"]:
        """Cameras keep being rigid: they turn with the world, and their centres move as points do."""
        moved = world_from_camera.copy()
        moved[..., :3, :3] = self.rotation @ world_from_camera[..., :3, :3]
        moved[..., :3, 3] = self.points(world_from_camera[..., :3, 3])
        return moved

    def after(self, other: "Similarity") -> "Similarity":
        """self applied to what other gives."""
        return Similarity(
            scale=self.scale * other.scale,
            rotation=self.rotation @ other.rotation,
            translation=self.points(other.translation),
        )

    def inverse(self) -> "Similarity":
        back = self.rotation.T / self.scale
        return Similarity(scale=1.0 / self.scale, rotation=self.rotation.T, translation=-back @ self.translation)


IDENTITY = Similarity(scale=1.0, rotation=np.eye(3), translation=np.zeros(3))


def fit_similarity(
    source: Float64[np.ndarray, "N 3"], target: Float64[np.ndarray, "N 3"], weight: Float64[np.ndarray, " N"]
) -> Similarity:
    """The similarity that minimises sum w |target - S source|^2 in closed form (Umeyama 1991)."""
    weight = weight / weight.sum()
    source_mean, target_mean = weight @ source, weight @ target
    source_off, target_off = source - source_mean, target - target_mean
    left, stretch, right = np.linalg.svd((weight[:, None] * target_off).T @ source_off)
    sign = np.array([1.0, 1.0, np.sign(np.linalg.det(left) * np.linalg.det(right))])
    rotation = (left * sign) @ right
    spread = float(weight @ (source_off**2).sum(axis=1))
    scale = float(stretch @ sign) / max(spread, 1e-300)
    return Similarity(scale=scale, rotation=rotation, translation=target_mean - scale * rotation @ source_mean)


def fit_robustly(
    source: Float64[np.ndarray, "N 3"], target: Float64[np.ndarray, "N 3"], weight: Float64[np.ndarray, " N"]
) -> Similarity:
    """`fit_similarity` with points that do not fit weighed down, round by round: w / (1 + (r / 3 median r)^2)."""
    found = fit_similarity(source, target, weight)
    for _ in range(ROUNDS):
        residual = np.linalg.norm(target - found.points(source), axis=1)
        typical = OUTLIER * max(float(np.median(residual)), 1e-12)
        found = fit_similarity(source, target, weight / (1.0 + (residual / typical) ** 2))
    return found


def mean_rotation(
    rotations: Float64[np.ndarray, "N 3 3"], weight: Float64[np.ndarray, " N"]
) -> Float64[np.ndarray, "3 3"]:
    """The rotation nearest to the weighted sum (chordal mean, Hartley et al. 2013)."""
    left, _, right = np.linalg.svd(np.einsum("n,nab->ab", weight, rotations))
    return (left * np.array([1.0, 1.0, np.linalg.det(left @ right)])) @ right


def turned(axis_angle: Float64[np.ndarray, "*N 3"]) -> Float64[np.ndarray, "*N 3 3"]:
    """Rotation matrices of rotation vectors (Rodrigues)."""
    angle = np.linalg.norm(axis_angle, axis=-1)[..., None, None]
    x, y, z = np.moveaxis(axis_angle, -1, 0)
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=-1).reshape(*x.shape, 3, 3)
    small = angle < 1e-8
    safe = np.where(small, 1.0, angle)
    first = np.where(small, 1.0, np.sin(safe) / safe)
    second = np.where(small, 0.5, (1.0 - np.cos(safe)) / safe**2)
    return np.eye(3) + first * cross + second * cross @ cross


def quaternion(rotation: Float64[np.ndarray, "3 3"]) -> Float64[np.ndarray, "4"]:
    """w x y z of a rotation, w not negative."""
    from scipy.spatial.transform import Rotation

    x, y, z, w = Rotation.from_matrix(rotation).as_quat(canonical=True)
    return np.array([w, x, y, z])
