"""Reasons to refuse a scene before it is rendered. A refused scene is drawn again from the next seed of its series."""

import numpy as np
from jaxtyping import Float64, Int32

from generation.scene import Body, Scene, surfaces
from vdpm.derive import body_of_triangle
from vdpm.geometry import transform

LEAST_THINGS = 0.08
"""Share of pixels, over the clip, that must show something other than ground and sky."""
LEAST_MOVING = 0.01
"""Share of pixels, over the clip, that must show something that moves."""
MOVING_METRES = 0.1
"""A body moves if its surface travels this far over the clip."""


def refusal(scene: Scene, triangle: Int32[np.ndarray, "T H W"]) -> str | None:
    """Why a scene is not worth rendering, or None."""
    shown = coverage(scene, triangle)
    ground = np.array([body.facts.get("role") == "ground" for body in scene.bodies])
    things, moving = shown[~ground].sum(), shown[travelled(scene) > MOVING_METRES].sum()
    if things < LEAST_THINGS:
        return f"things cover {things:.1%} of the pixels, less than {LEAST_THINGS:.0%}"
    if moving < LEAST_MOVING:
        return f"moving things cover {moving:.1%} of the pixels, less than {LEAST_MOVING:.0%}"
    return None


def coverage(scene: Scene, triangle: Int32[np.ndarray, "T H W"]) -> Float64[np.ndarray, " B"]:
    """Share of all pixels of a clip that each body covers."""
    seen = body_of_triangle(surfaces(scene), triangle)
    return np.bincount(seen[seen >= 0], minlength=len(scene.bodies)) / triangle.size


def travelled(scene: Scene) -> Float64[np.ndarray, " B"]:
    """Metres that the vertices of each body travel over the clip, along their paths, on average."""
    return np.array([_travelled(body) for body in scene.bodies])


def _travelled(body: Body) -> float:
    shapes = body.asset.mesh.vertices[None] if body.shapes is None else body.shapes
    world = transform(body.world_from_body[:, None], shapes.astype(np.float64))
    return float(np.linalg.norm(np.diff(world, axis=0), axis=-1).sum(axis=0).mean())
