"""Finer triangles for meshes that bend: cut flat, or along a smooth surface through the same vertices."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Int, Int32

from generation.scene import Mesh

BUTTERFLY = np.array([1 / 2, 1 / 2, 1 / 8, 1 / 8, -1 / 16, -1 / 16, -1 / 16, -1 / 16])
"""Weights of an edge's ends, the two corners across, and the four wings (Dyn, Levin & Gregory 1990)."""


def split(faces: Int[np.ndarray, "F 3"], vertices: int) -> tuple[Int32[np.ndarray, "F4 3"], Int[np.ndarray, "E 2"]]:
    """Every triangle in four, and the edges (sorted pairs) whose middles are the new vertices, in their order."""
    sides = np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    edges, number = np.unique(sides, axis=0, return_inverse=True)
    a, b, c = faces.T
    ab, bc, ca = vertices + number.reshape(-1, 3).T
    quarters = ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))
    return np.concatenate([np.stack(corners, axis=-1) for corners in quarters]).astype(np.int32), edges


def cut(mesh: Mesh) -> Mesh:
    """The same surface in a quarter of the triangle size, without gaps once it bends."""
    faces, edges = split(mesh.faces, len(mesh.vertices))
    return Mesh(
        vertices=np.concatenate([mesh.vertices, mesh.vertices[edges].mean(axis=1)]),
        faces=faces,
        uv=None if mesh.uv is None else np.concatenate([mesh.uv, mesh.uv[edges].mean(axis=1)]),
        smooth=mesh.smooth,
    )


@dataclass(frozen=True, kw_only=True)
class Refinement:
    """A closed mesh cut into four times as many triangles; new vertices are fixed sums of old ones, at all times."""

    faces: Int32[np.ndarray, "F 3"]
    stencil: Int[np.ndarray, "E 8"]

    def __call__(self, vertices: Float[np.ndarray, "*T V 3"]) -> Float64[np.ndarray, "*T W 3"]:
        """The vertices, then the new ones, on a smooth surface through them."""
        middles = np.einsum("...esc,s->...ec", vertices[..., self.stencil, :], BUTTERFLY)
        return np.concatenate([vertices, middles], axis=-2)


def butterfly(faces: Int[np.ndarray, "F 3"], vertices: int) -> Refinement:
    """The refinement of a closed mesh by the butterfly scheme."""
    finer, edges = split(faces, vertices)
    across = {(int(a), int(b)): int(c) for three in faces for a, b, c in (three, np.roll(three, 1), np.roll(three, 2))}

    def stencil(a: int, b: int) -> tuple[int, ...]:
        c, d = across[a, b], across[b, a]
        return a, b, c, d, across[c, b], across[a, c], across[d, a], across[b, d]

    return Refinement(faces=finer, stencil=np.array([stencil(a, b) for a, b in edges.tolist()]))
