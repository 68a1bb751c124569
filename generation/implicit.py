"""Closed surfaces from functions: capsules melted into one body, and the mesh where a function is zero."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int32

Points = Float64[np.ndarray, "N 3"]
Field = Callable[[Points], Float64[np.ndarray, " N"]]
"""Below 0 inside, above 0 outside, about a distance in metres near 0."""
NEWTON_STEPS = 4
LEAST_SHARE = 0.1
"""Of an edge that a cut leaves on either side, where it would rather be nearer to the end: slivers have no exact normal."""
CORNERS = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)])


@dataclass(frozen=True, kw_only=True)
class Capsule:
    """A ball swept along a segment, its radius running from one to the other. Metres."""

    start: tuple[float, float, float]
    end: tuple[float, float, float]
    radii: tuple[float, float]


def capsule_distance(capsule: Capsule, points: Points) -> Float64[np.ndarray, " N"]:
    """Distance to a capsule, but for its taper."""
    start, axis = np.array(capsule.start), np.subtract(capsule.end, capsule.start)
    along = np.clip((points - start) @ axis / max(axis @ axis, 1e-12), 0.0, 1.0)
    radius = capsule.radii[0] + along * (capsule.radii[1] - capsule.radii[0])
    return np.linalg.norm(points - start - along[:, None] * axis, axis=-1) - radius


def melted(distances: Float64[np.ndarray, "N K"], softness: float) -> Float64[np.ndarray, " N"]:
    """A smooth minimum over K: seams between things are filled over about `softness` metres."""
    least = distances.min(axis=1, keepdims=True)
    return least[:, 0] - softness * np.log(np.exp((least - distances) / softness).sum(axis=1))


def mesh_of(
    field: Field, low: Float64[np.ndarray, " 3"], high: Float64[np.ndarray, " 3"], cell: float
) -> tuple[Points, Int32[np.ndarray, "F 3"]]:
    """The surface where a field is 0, closed if it lies inside the box, in triangles of about `cell` metres.

    Surface nets (Gibson 1998): one vertex in every cell that the surface crosses, one quad across every grid edge that
    crosses it. Newton steps then put the vertices on the surface.
    """
    shape = np.ceil((high - low) / cell).astype(int) + 1
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"), axis=-1)
    inside = (field((low + grid * cell).reshape(-1, 3)) < 0).reshape(shape)
    near = sum(np.roll(inside, -corner, axis=(0, 1, 2)).astype(int) for corner in CORNERS)
    crossed = (near > 0) & (near < 8)
    number = np.cumsum(crossed).reshape(shape) - 1
    quads = np.concatenate([_quads(inside, number, axis) for axis in range(3)])
    vertices = _on_surface(field, low + (grid[crossed] + 0.5) * cell, cell)
    return vertices, _triangles(vertices, quads)


def _quads(inside: np.ndarray, number: np.ndarray, axis: int) -> Int32[np.ndarray, "Q 4"]:
    """The four cells around each grid edge along an axis whose ends lie on different sides, seen from outside."""
    after = np.roll(inside, -1, axis)
    after[(slice(None),) * axis + (-1,)] = inside[(slice(None),) * axis + (-1,)]
    u, v = np.eye(3, dtype=int)[[(axis + 1) % 3, (axis + 2) % 3]]
    edges = np.argwhere(inside != after)
    ring = np.stack([number[tuple((edges - shift).T)] for shift in (u + v, v, 0 * u, u)], axis=1)
    leaving = inside[tuple(edges.T)]
    return np.where(leaving[:, None], ring, ring[:, ::-1]).astype(np.int32)


def _on_surface(field: Field, points: Points, cell: float) -> Points:
    """Points moved along the gradient until the field is 0, by no more than a cell in all."""
    step, start = 1e-4 * np.eye(3), points
    for _ in range(NEWTON_STEPS):
        slope = np.stack([field(points + h) - field(points - h) for h in step], axis=-1) / 2e-4
        points = points - slope * (field(points) / np.maximum((slope**2).sum(axis=-1), 0.1))[:, None]
    shift = points - start
    return start + shift * np.minimum(1.0, cell / np.maximum(np.linalg.norm(shift, axis=-1), 1e-12))[:, None]


def _triangles(vertices: Points, quads: Int32[np.ndarray, "Q 4"]) -> Int32[np.ndarray, "F 3"]:
    """Each quad cut along its shorter diagonal."""
    a, b, c, d = (vertices[quads[:, k]] for k in range(4))
    short = np.linalg.norm(a - c, axis=-1) <= np.linalg.norm(b - d, axis=-1)
    turned = np.where(short[:, None], quads, np.roll(quads, -1, axis=1))
    return np.concatenate([turned[:, [0, 1, 2]], turned[:, [0, 2, 3]]])


def cut(
    vertices: Float64[np.ndarray, "V C"], faces: Int32[np.ndarray, "F 3"], level: Float64[np.ndarray, " V"]
) -> tuple[Float64[np.ndarray, "W C"], Int32[np.ndarray, "G 3"]]:
    """The same surface with its triangles split where a value on the vertices is 0, or nearly so.

    Columns of a vertex beyond its position are interpolated likewise; new vertices come after the old.
    """
    level = np.where(np.abs(level) < 1e-6, 1e-6, level)  # nothing lies exactly on the cut
    edges = np.unique(np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1), axis=0)
    edges = edges[level[edges[:, 0]] * level[edges[:, 1]] < 0]
    share = np.clip(level[edges[:, 0]] / (level[edges[:, 0]] - level[edges[:, 1]]), LEAST_SHARE, 1 - LEAST_SHARE)[
        :, None
    ]
    added = vertices[edges[:, 0]] * (1 - share) + vertices[edges[:, 1]] * share
    middle = {(int(a), int(b)): len(vertices) + number for number, (a, b) in enumerate(edges)}
    above = (level > 0)[faces].sum(axis=1)
    crossed = (above > 0) & (above < 3)
    split = [part for face in faces[crossed] for part in _split(face, level, middle)]
    kept = [faces[~crossed], np.array(split, np.int32).reshape(-1, 3)]
    return np.concatenate([vertices, added]), np.concatenate(kept)


def _split(
    face: Int32[np.ndarray, " 3"], level: Float64[np.ndarray, " V"], middle: dict[tuple[int, int], int]
) -> list[tuple[int, int, int]]:
    """The three parts of a triangle of which one corner is on the other side."""
    above = level[face] > 0
    lone = int(np.argmax(above if above.sum() == 1 else ~above))
    a, b, c = (int(face[(lone + k) % 3]) for k in range(3))
    ab, ac = middle[(min(a, b), max(a, b))], middle[(min(a, c), max(a, c))]
    return [(a, ab, ac), (ab, b, c), (ab, c, ac)]
