"""People: a smooth closed skin around the skeleton of `generation.motions`, and its weights.

The skin is made once, arms and legs spread, in a frame whose origin is the root joint (between the hips), x ahead, y to
the left, z up, metres. `skinned` carries it along with a pose.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import scipy.sparse as sparse
from jaxtyping import Float32, Float64, Int32

from generation.implicit import Capsule, capsule_distance, melted, mesh_of
from generation.motions import SKELETON, Pose, posed
from generation.quaternions import about, blend, conjugate, multiply, rotate, towards

CELL = 0.03
"""Metres of a triangle's side; at some others fingers meet in a point, and the surface is no longer a manifold."""
SOFTNESS = 0.016
REACH = 0.025
"""Metres over which a bone's hold on the skin falls by e."""
RELAXATIONS = 8
"""Rounds of averaging weights with the neighbours."""
SPREAD_RADIANS = {"hip": 0.16, "shoulder": 1.35}
BONES = [bone.name for bone in SKELETON]

Points = Float64[np.ndarray, "V 3"]
Row = tuple[float, float, float]


def _capsule(start: Row, end: Row, first: float, last: float) -> Capsule:
    return Capsule(start=start, end=end, radii=(first, last))


FLESH: dict[str, tuple[Capsule, ...]] = {
    "root": (
        _capsule((-0.01, -0.065, 0.0), (-0.01, 0.065, 0.0), 0.095, 0.095),
        _capsule((-0.045, -0.06, -0.02), (-0.045, 0.06, -0.02), 0.075, 0.075),
        _capsule((0.0, -0.05, 0.12), (0.0, 0.05, 0.12), 0.085, 0.085),
    ),
    "chest": (
        _capsule((0.0, -0.06, 0.03), (0.0, 0.06, 0.03), 0.088, 0.088),
        _capsule((0.0, -0.075, 0.13), (0.0, 0.075, 0.13), 0.1, 0.1),
        _capsule((-0.02, -0.14, 0.225), (-0.02, 0.14, 0.225), 0.055, 0.055),
        _capsule((-0.02, 0.0, 0.2), (-0.01, 0.0, 0.27), 0.07, 0.05),
    ),
    "neck": (
        _capsule((-0.012, 0.0, -0.02), (0.0, 0.0, 0.08), 0.05, 0.046),
        _capsule((-0.012, 0.0, 0.16), (0.012, 0.0, 0.165), 0.083, 0.078),
        _capsule((0.03, -0.012, 0.085), (0.03, 0.012, 0.085), 0.05, 0.05),
        _capsule((0.085, 0.0, 0.15), (0.098, 0.0, 0.118), 0.009, 0.014),
    ),
    "hip": (
        _capsule((0.0, 0.0, -0.02), (0.0, 0.0, -0.41), 0.082, 0.05),
        _capsule((0.01, 0.0, -0.12), (0.008, 0.0, -0.3), 0.07, 0.055),
    ),
    "knee": (
        _capsule((0.0, 0.0, 0.0), (-0.008, 0.0, -0.39), 0.052, 0.034),
        _capsule((-0.02, 0.0, -0.09), (-0.014, 0.0, -0.2), 0.045, 0.036),
    ),
    "ankle": (
        _capsule((-0.045, 0.0, -0.028), (0.06, 0.0, -0.032), 0.038, 0.036),
        _capsule((0.04, -0.014, -0.036), (0.15, -0.012, -0.042), 0.03, 0.025),
        _capsule((0.04, 0.014, -0.036), (0.14, 0.018, -0.042), 0.03, 0.024),
    ),
    "shoulder": (_capsule((0.0, 0.0, 0.0), (0.0, 0.0, -0.265), 0.056, 0.04),),
    "elbow": (
        _capsule((0.0, 0.0, 0.0), (0.0, 0.0, -0.25), 0.041, 0.026),
        _capsule((-0.02, 0.0, -0.28), (-0.018, 0.0, -0.4), 0.02, 0.016),
        _capsule((0.0, 0.0, -0.27), (0.002, 0.0, -0.41), 0.021, 0.017),
        _capsule((0.02, 0.0, -0.28), (0.024, 0.0, -0.39), 0.02, 0.015),
        _capsule((0.025, 0.0, -0.275), (0.055, 0.0, -0.335), 0.017, 0.014),
    ),
}
"""What is around each bone, in its frame; left and right are alike."""


@dataclass(frozen=True, kw_only=True)
class Skin:
    """A closed surface that hangs on the skeleton, in the pose `at_rest`."""

    vertices: Points
    faces: Int32[np.ndarray, "F 3"]
    weights: Float64[np.ndarray, "V B"]
    """Of the bones, summing to 1."""


def at_rest() -> Pose:
    """Arms and legs spread, so that the skin does not grow together. One frame."""
    turns = np.tile([1.0, 0.0, 0.0, 0.0], (1, len(BONES), 1))
    for number, name in enumerate(BONES):
        side, _, joint = name.partition("_")
        if joint in SPREAD_RADIANS:
            sign = 1.0 if side == "left" else -1.0
            turns[0, number] = about(np.array([1.0, 0.0, 0.0]), sign * SPREAD_RADIANS[joint])
    return posed(turns, np.zeros((1, 3)))


def _distances(points: Points, stoutness: float) -> list[Float64[np.ndarray, "N K"]]:
    """Of points to every capsule of every bone; stoutness scales all radii."""
    rest = at_rest()
    local = [rotate(conjugate(q), points - o) for q, o in zip(rest.rotation[0], rest.origin[0], strict=True)]
    flesh = [FLESH[name.partition("_")[2] or name] for name in BONES]
    return [
        np.stack([capsule_distance(stout(capsule, stoutness), where) for capsule in capsules], axis=1)
        for capsules, where in zip(flesh, local, strict=True)
    ]


def stout(capsule: Capsule, factor: float) -> Capsule:
    """A capsule of other radii, where it was."""
    return Capsule(start=capsule.start, end=capsule.end, radii=(capsule.radii[0] * factor, capsule.radii[1] * factor))


@cache
def skin(stoutness: float) -> Skin:
    """The body of a person 1.64 m tall; a stoutness of 1 is slim."""

    def field(points: Points) -> Float64[np.ndarray, " N"]:
        return melted(np.concatenate(_distances(points, stoutness), axis=1), SOFTNESS)

    low, high = np.array([-0.35, -0.95, -1.0]), np.array([0.35, 0.95, 0.9])
    vertices, faces = mesh_of(field, low, high, CELL)
    return Skin(vertices=vertices, faces=faces, weights=_weights(vertices, faces, stoutness))


def _weights(vertices: Points, faces: Int32[np.ndarray, "F 3"], stoutness: float) -> Float64[np.ndarray, "V B"]:
    """Exponential in the distance to each bone's flesh, then averaged along the surface."""
    near = np.stack([bone.min(axis=1) for bone in _distances(vertices, stoutness)], axis=1)
    weights = np.exp((near.min(axis=1, keepdims=True) - near) / REACH)
    weights /= weights.sum(axis=1, keepdims=True)
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    ring = sparse.coo_matrix((np.ones(len(edges)), tuple(edges.T)), shape=(len(vertices),) * 2).tocsr()
    count = np.asarray(ring.sum(axis=1))
    for _ in range(RELAXATIONS):
        weights = 0.5 * weights + 0.5 * (ring @ weights) / count
    return weights


def skinned(body: Skin, pose: Pose) -> Float32[np.ndarray, "T V 3"]:
    """The vertices in the frame of the root joint at each time of a pose, blended as dual quaternions."""
    rest, shapes = at_rest(), []
    for rotation, origin in zip(pose.rotation, pose.origin, strict=True):
        turn = multiply(conjugate(rotation[0]), multiply(rotation, conjugate(rest.rotation[0])))
        place = rotate(conjugate(rotation[0]), origin - origin[0])
        for number, bone in enumerate(SKELETON[1:], start=1):
            turn[number] = towards(turn[number], turn[bone.parent])
        shapes.append(blend(turn, place - rotate(turn, rest.origin[0]), body.weights, body.vertices))
    return np.stack(shapes).astype(np.float32)
