"""Pinhole cameras, rigid transforms and triangles: pure functions, numpy only. Conventions: `vdpm.clip`."""

import numpy as np
from jaxtyping import Float, Float64


def pixel_centres(height: int, width: int) -> Float64[np.ndarray, "H W 2"]:
    """(u, v) of every pixel centre, in pixels."""
    u, v = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    return np.stack([u, v], axis=-1)


def rays(K: Float[np.ndarray, "3 3"], pixels: Float[np.ndarray, "*N 2"]) -> Float64[np.ndarray, "*N 3"]:
    """Directions in the camera frame with z = 1, so that depth times ray is the point."""
    homogeneous = np.concatenate([pixels, np.ones_like(pixels[..., :1])], axis=-1)
    return homogeneous @ np.linalg.inv(K).T


def camera_from_pixels(K: Float[np.ndarray, "*M 3 3"]) -> Float64[np.ndarray, "*M 3 3"]:
    """Inverse of intrinsics without skew: (u, v, 1) to the direction with z = 1. LAPACK would wake up threads for it."""
    inverse = np.zeros(K.shape)
    focal, principal = K[..., (0, 1), (0, 1)], K[..., :2, 2]
    inverse[..., (0, 1), (0, 1)] = 1.0 / focal
    inverse[..., :2, 2] = -principal / focal
    inverse[..., 2, 2] = 1.0
    return inverse


def unproject(depth: Float[np.ndarray, "*B H W"], K: Float[np.ndarray, "*B 3 3"]) -> Float64[np.ndarray, "*B H W 3"]:
    """Points in the camera frame from z-depth; NaN depth gives NaN points."""
    uv = pixel_centres(*depth.shape[-2:])
    homogeneous = np.concatenate([uv, np.ones_like(uv[..., :1])], axis=-1)
    directions = np.einsum("...ab,hwb->...hwa", np.linalg.inv(K), homogeneous)
    return depth[..., None] * directions


def project(points: Float[np.ndarray, "*B H W 3"], K: Float[np.ndarray, "*B 3 3"]) -> Float64[np.ndarray, "*B H W 2"]:
    """(u, v) in pixels of points in the camera frame; NaN for points that are not in front of the camera."""
    z = points[..., 2:]
    in_front = np.where(z > 0, z, np.nan)
    image = np.einsum("...ab,...hwb->...hwa", K, points / in_front)
    return image[..., :2]


def transform(
    target_from_source: Float[np.ndarray, "*M 4 4"], points: Float[np.ndarray, "*N 3"]
) -> Float64[np.ndarray, "... 3"]:
    """Points in the target frame. Leading axes broadcast as in `np.matmul`, with one transform for all points or one each."""
    rotation, translation = target_from_source[..., :3, :3], target_from_source[..., :3, 3]
    return np.einsum("...ab,...b->...a", rotation, points) + translation


def invert(target_from_source: Float[np.ndarray, "*M 4 4"]) -> Float64[np.ndarray, "*M 4 4"]:
    """Inverse of rigid transforms, exact in the rotation."""
    rotation = np.swapaxes(target_from_source[..., :3, :3], -1, -2)
    inverse = np.zeros(target_from_source.shape)
    inverse[..., :3, :3] = rotation
    inverse[..., :3, 3] = -np.einsum("...ab,...b->...a", rotation, target_from_source[..., :3, 3])
    inverse[..., 3, 3] = 1.0
    return inverse


def rigid(
    rotation: Float[np.ndarray, "*M 3 3"], translation: Float[np.ndarray, "*M 3"]
) -> Float64[np.ndarray, "*M 4 4"]:
    """4 x 4 matrices from their parts."""
    matrix = np.zeros((*rotation.shape[:-2], 4, 4))
    matrix[..., :3, :3] = rotation
    matrix[..., :3, 3] = translation
    matrix[..., 3, 3] = 1.0
    return matrix


def barycentric(points: Float[np.ndarray, "*N 3"], corners: Float[np.ndarray, "*N 3 3"]) -> Float64[np.ndarray, "*N 3"]:
    """Weights of a point in the plane of its triangle: they sum to 1 and rebuild the point.

    Areas against the normal; Moeller & Trumbore 1997 give the same for a ray.
    """
    a, b, c = corners[..., 0, :], corners[..., 1, :], corners[..., 2, :]
    normal = np.cross(b - a, c - a)
    area = np.einsum("...a,...a->...", normal, normal)
    weight_b = np.einsum("...a,...a->...", np.cross(points - a, c - a), normal) / area
    weight_c = np.einsum("...a,...a->...", np.cross(b - a, points - a), normal) / area
    return np.stack([1.0 - weight_b - weight_c, weight_b, weight_c], axis=-1)
