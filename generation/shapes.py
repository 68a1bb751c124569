"""Procedural shapes. Each takes its randomness as an argument and fits into the unit cube around its centre of mass."""

from collections.abc import Callable

import numpy as np
import trimesh
from jaxtyping import Float64

from generation.scene import Mesh

Points = Float64[np.ndarray, "N 3"]


def centred(mesh: trimesh.Trimesh, uv: np.ndarray | None = None, smooth: bool = True) -> Mesh:
    """A mesh moved to the centre of mass of its convex hull and scaled to a largest extent of 1 m.

    The hull is what collides, so its centre is the one that physics turns it about.
    """
    vertices = (np.asarray(mesh.vertices) - mesh.convex_hull.center_mass) / mesh.extents.max()
    return Mesh(
        vertices=vertices.astype(np.float32),
        faces=np.asarray(mesh.faces, np.int32),
        uv=None if uv is None else uv.astype(np.float32),
        smooth=smooth,
    )


def scaled(mesh: Mesh, size: float) -> Mesh:
    """A mesh whose every length is multiplied by `size`."""
    return Mesh(vertices=mesh.vertices * np.float32(size), faces=mesh.faces, uv=mesh.uv, smooth=mesh.smooth)


def sphere(rng: np.random.Generator) -> trimesh.Trimesh:
    """A ball; the generator is not used, all balls are alike."""
    return trimesh.creation.icosphere(subdivisions=4, radius=0.5)


def box(rng: np.random.Generator) -> trimesh.Trimesh:
    """A box of random proportions."""
    return trimesh.creation.box(extents=rng.uniform(0.35, 1.0, size=3))


def cylinder(rng: np.random.Generator) -> trimesh.Trimesh:
    """A cylinder from disc to rod."""
    return trimesh.creation.cylinder(radius=rng.uniform(0.12, 0.5), height=rng.uniform(0.2, 1.0), sections=48)


def cone(rng: np.random.Generator) -> trimesh.Trimesh:
    """A truncated cone."""
    base, top = rng.uniform(0.3, 0.5), rng.uniform(0.02, 0.25)
    height = rng.uniform(0.4, 1.0)
    return trimesh.creation.revolve(np.array([[0, 0], [base, 0], [top, height], [0, height]]), sections=48)


def torus(rng: np.random.Generator) -> trimesh.Trimesh:
    """A ring."""
    return trimesh.creation.torus(
        major_radius=0.36, minor_radius=rng.uniform(0.08, 0.14), major_sections=48, minor_sections=20
    )


def capsule(rng: np.random.Generator) -> trimesh.Trimesh:
    """A pill."""
    radius = rng.uniform(0.12, 0.3)
    return trimesh.creation.capsule(height=1.0 - 2 * radius, radius=radius, count=[24, 24])


def vase(rng: np.random.Generator) -> trimesh.Trimesh:
    """A turned vessel: a random smooth profile revolved about z, closed at both ends."""
    height = np.linspace(0.0, 1.0, 28)
    waves = sum(rng.uniform(-0.5, 0.5) / k * np.sin(np.pi * k * height + rng.uniform(0, 6.28)) for k in range(1, 5))
    radius = np.clip(0.28 + 0.16 * np.asarray(waves), 0.08, 0.5)
    profile = np.stack([radius, height], axis=-1)
    closed = np.concatenate([[[0.0, 0.0]], profile, [[0.0, 1.0]]])
    return trimesh.creation.revolve(closed, sections=40)


def rock(rng: np.random.Generator) -> trimesh.Trimesh:
    """A boulder: a ball pressed by random planes and dented by a few random waves."""
    ball = trimesh.creation.icosphere(subdivisions=3, radius=0.5)
    directions = rng.normal(size=(14, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    along = ball.vertices @ directions.T
    pressed = ball.vertices - np.maximum(along - rng.uniform(0.3, 0.42, size=14), 0.0) @ directions
    waves = np.sin(pressed @ rng.normal(scale=9.0, size=(3, 8)) + rng.uniform(0, 6.28, size=8)).sum(axis=1)
    ball.vertices = pressed * (1.0 + 0.012 * waves[:, None]) * rng.uniform(0.6, 1.0, size=3)
    return ball


def superquadric(rng: np.random.Generator) -> trimesh.Trimesh:
    """A rounded box, pillow or star (Barr 1981): |x|^p + |y|^p + |z|^p = 1 with random axes."""
    ball = trimesh.creation.icosphere(subdivisions=4, radius=1.0)
    power = rng.uniform(1.2, 6.0)
    radius = (np.abs(ball.vertices) ** power).sum(axis=1) ** (-1.0 / power)
    ball.vertices = ball.vertices * radius[:, None] * rng.uniform(0.4, 1.0, size=3)
    return ball


SHAPES: dict[str, Callable[[np.random.Generator], trimesh.Trimesh]] = {
    shape.__name__: shape for shape in (sphere, box, cylinder, cone, torus, capsule, vase, rock, superquadric)
}
