"""Unit quaternions (w, x, y, z) and dual quaternions on arrays. Leading axes broadcast."""

import numpy as np
from jaxtyping import Float64

Quaternions = Float64[np.ndarray, "*N 4"]


def multiply(a: Float64[np.ndarray, "*A 4"], b: Float64[np.ndarray, "*B 4"]) -> Float64[np.ndarray, "... 4"]:
    """The product: turning by b, then by a."""
    scalar = a[..., :1] * b[..., :1] - (a[..., 1:] * b[..., 1:]).sum(axis=-1, keepdims=True)
    vector = a[..., :1] * b[..., 1:] + b[..., :1] * a[..., 1:] + np.cross(a[..., 1:], b[..., 1:])
    return np.concatenate([scalar, vector], axis=-1)


def conjugate(q: Quaternions) -> Quaternions:
    """The opposite turn."""
    return q * [1.0, -1.0, -1.0, -1.0]


def rotate(q: Float64[np.ndarray, "*A 4"], vector: Float64[np.ndarray, "*B 3"]) -> Float64[np.ndarray, "... 3"]:
    """Turned vectors."""
    across = np.cross(q[..., 1:], vector)
    return vector + 2.0 * (q[..., :1] * across + np.cross(q[..., 1:], across))


def about(axis: Float64[np.ndarray, " 3"], radians: Float64[np.ndarray, "*N"] | float) -> Quaternions:
    """Turns about one unit axis."""
    half = np.asarray(radians)[..., None] / 2
    return np.concatenate([np.cos(half), np.sin(half) * axis], axis=-1)


def unit(q: Quaternions) -> Quaternions:
    """Normalised to the last bit that counts."""
    return q / np.linalg.norm(q, axis=-1, keepdims=True)


def towards(q: Quaternions, other: Quaternions) -> Quaternions:
    """The one of q and -q, which are the same turn, that is nearer to the other."""
    return np.where((q * other).sum(axis=-1, keepdims=True) < 0, -q, q)


def matrices(q: Quaternions) -> Float64[np.ndarray, "*N 3 3"]:
    """Rotation matrices."""
    return np.stack([rotate(q, axis) for axis in np.eye(3)], axis=-1)


def blend(
    rotation: Float64[np.ndarray, "B 4"],
    translation: Float64[np.ndarray, "B 3"],
    weights: Float64[np.ndarray, "V B"],
    points: Float64[np.ndarray, "V 3"],
) -> Float64[np.ndarray, "V 3"]:
    """Points moved by weighted means of rigid motions x -> R x + t, which are rigid again (Kavan et al. 2007).

    The signs of the rotations have to agree where weights overlap (`towards`).
    """
    moved = np.concatenate([np.zeros((len(translation), 1)), translation], axis=-1)
    real, dual = weights @ rotation, weights @ (0.5 * multiply(moved, rotation))
    length = np.linalg.norm(real, axis=-1, keepdims=True)
    return rotate(real / length, points) + 2.0 * multiply(dual / length, conjugate(real / length))[..., 1:]
