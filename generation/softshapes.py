"""Geometry of things that deform under physics: sheets, bodies filled with tetrahedra, how much they are strained."""

import numpy as np
import trimesh
from jaxtyping import Float, Float64, Int, Int32

from vdpm.geometry import rigid

Vertices = Float64[np.ndarray, "V 3"]
Faces = Int32[np.ndarray, "F 3"]
Tetrahedra = Int32[np.ndarray, "E 4"]
LAYERS = (0.4, 0.75, 1.0)
"""Radii of the shells of a filled body, as shares of its surface's."""


def grid(count: int, width: float, depth: float) -> tuple[Vertices, Faces]:
    """A level rectangle about the origin of count x count vertices; diagonals alternate, so that no way to fold is easier."""
    x, y = np.meshgrid(
        np.linspace(-width / 2, width / 2, count), np.linspace(-depth / 2, depth / 2, count), indexing="ij"
    )
    corner = np.arange(count**2).reshape(count, count)
    a, b, c, d = corner[:-1, :-1], corner[1:, :-1], corner[1:, 1:], corner[:-1, 1:]
    odd = (np.indices(a.shape).sum(axis=0) % 2 == 1)[..., None]
    lower = np.where(odd, np.stack([a, b, d], axis=-1), np.stack([a, b, c], axis=-1))
    upper = np.where(odd, np.stack([b, c, d], axis=-1), np.stack([a, c, d], axis=-1))
    faces = np.concatenate([lower.reshape(-1, 3), upper.reshape(-1, 3)]).astype(np.int32)
    return np.stack([x, y, np.zeros_like(x)], axis=-1).reshape(-1, 3), faces


def sheet_faces(faces: Faces, vertices: int) -> Int32[np.ndarray, "F2 3"]:
    """The closed surface of a sheet whose upper vertices come first: upper side, lower side, and the rim between."""
    sides = faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
    key = sides[:, 0].astype(np.int64) * vertices + sides[:, 1]
    a, b = sides[~np.isin(key, sides[:, 1].astype(np.int64) * vertices + sides[:, 0])].T
    rim = [np.stack([a, a + vertices, b + vertices], axis=-1), np.stack([a, b + vertices, b], axis=-1)]
    return np.concatenate([faces, faces[:, ::-1] + vertices, *rim]).astype(np.int32)


def sheet(middle: Float[np.ndarray, "T V 3"], faces: Faces, thickness: float) -> Float64[np.ndarray, "T V2 3"]:
    """Upper, then lower vertices of a sheet of some thickness (metres) about a surface, along its vertex normals.

    A closed surface has an outside, so every triangle is seen from its front, and both sides of the cloth are shaded.
    """
    normals = vertex_normals(middle, faces)
    return np.concatenate([middle + thickness / 2 * normals, middle - thickness / 2 * normals], axis=-2)


def vertex_normals(vertices: Float[np.ndarray, "T V 3"], faces: Faces) -> Float64[np.ndarray, "T V 3"]:
    """Unit normals, weighted by area."""
    a, b, c = np.moveaxis(vertices[:, faces], 2, 0)
    across = np.swapaxes(np.cross(b - a, c - a), 0, 1)
    normals = np.zeros((vertices.shape[1], len(vertices), 3))
    for corner in faces.T:
        np.add.at(normals, corner, across)
    return np.swapaxes(normals / np.linalg.norm(normals, axis=-1, keepdims=True), 0, 1)


def star(rng: np.random.Generator, size: float) -> tuple[Vertices, Faces]:
    """A rounded surface that can be seen whole from the origin: ball, pillow, soft brick, lump; `size` metres large."""
    ball = trimesh.creation.icosphere(subdivisions=2)
    directions = np.asarray(ball.vertices)
    power, axes = rng.uniform(2.0, 5.0), rng.uniform(0.6, 1.0, size=3)
    radius = (np.abs(directions) ** power).sum(axis=1) ** (-1 / power)
    lumps = np.sin(directions @ rng.normal(scale=2.0, size=(3, 4)) + rng.uniform(0, 2 * np.pi, size=4)).sum(axis=1)
    vertices = directions * (radius * (1 + rng.uniform(0.0, 0.06) * lumps))[:, None] * axes
    return vertices * size / np.ptp(vertices, axis=0).max(), np.asarray(ball.faces, np.int32)


def filled(surface: Vertices, faces: Faces) -> tuple[Float64[np.ndarray, "W 3"], Tetrahedra]:
    """A body under a surface that can be seen whole from the origin: the surface's vertices first, then shells inwards.

    Prisms between shells are cut in three by the order of their vertices, so that neighbours agree on the cut.
    """
    count, order = len(surface), np.sort(faces, axis=1)
    shells = [surface * share for share in sorted(LAYERS, reverse=True)]
    vertices = np.concatenate([*shells, np.zeros((1, 3))])
    parts = []
    for shell in range(len(shells) - 1):
        outer, inner = order + shell * count, order + (shell + 1) * count
        parts += [np.concatenate([outer[:, : cut + 1], inner[:, cut:]], axis=1) for cut in range(3)]
    innermost = order + (len(shells) - 1) * count
    parts.append(np.concatenate([innermost, np.full((len(faces), 1), len(vertices) - 1)], axis=1))
    tetrahedra = np.concatenate(parts).astype(np.int32)
    inverted = volumes(vertices, tetrahedra) < 0
    tetrahedra[inverted] = tetrahedra[inverted][:, [0, 1, 3, 2]]
    return vertices, tetrahedra


def volumes(vertices: Float[np.ndarray, "*T V 3"], tetrahedra: Tetrahedra) -> Float64[np.ndarray, "*T E"]:
    """Signed volumes, m3; negative where a tetrahedron is inside out."""
    a, b, c, d = np.moveaxis(vertices[..., tetrahedra, :], -2, 0)
    return np.einsum("...a,...a->...", b - a, np.cross(c - a, d - a)) / 6


def edges(cells: Int[np.ndarray, "F K"]) -> Int[np.ndarray, "N 2"]:
    """The edges of triangles or tetrahedra, each once."""
    pairs = np.stack(np.triu_indices(cells.shape[1], 1), axis=-1)
    return np.unique(np.sort(cells[:, pairs].reshape(-1, 2), axis=1), axis=0)


def stretch(
    vertices: Float[np.ndarray, "T V 3"], rest: Vertices, cells: Int[np.ndarray, "F K"]
) -> Float64[np.ndarray, "T N"]:
    """Length of every edge as a share of its length at rest."""
    first, second = edges(cells).T
    return np.linalg.norm(vertices[:, first] - vertices[:, second], axis=-1) / np.linalg.norm(
        rest[first] - rest[second], axis=-1
    )


def fitted(rest: Float[np.ndarray, "V 3"], moved: Float[np.ndarray, "T V 3"]) -> Float64[np.ndarray, "T 4 4"]:
    """world_from_body of the rigid motions nearest to a deformation, in the sense of least squares (Kabsch 1976)."""
    centre, middle = rest.mean(axis=0), moved.mean(axis=1)
    left, _, right = np.linalg.svd(np.swapaxes(moved - middle[:, None], 1, 2) @ (rest - centre))
    left[:, :, 2] *= np.sign(np.linalg.det(left @ right))[:, None]
    rotation = left @ right
    return rigid(rotation, middle - rotation @ centre)
