"""Reasons to refuse a scene before it is rendered. A refused scene is drawn again from the next seed of its series."""

import numpy as np
from jaxtyping import Float64, Int32

from generation.scene import Body, Scene, surfaces
from vdpm.derive import body_of_triangle, corners
from vdpm.geometry import pixel_centres, rays, transform

LEAST_THINGS = 0.08
"""Share of pixels, over the clip, that must show something other than ground and sky."""
LEAST_MOVING = 0.01
"""Share of pixels, over the clip, that must show something that moves."""
LEAST_DISTANCE = 0.15
"""Metres that the camera keeps from everything it sees."""
MOST_BEHIND = 0.03
"""Share of a frame that may show the back of surfaces; a few open models do."""
LOWEST = -0.05
"""Metres; what is lower has sunk into the floor or fallen off it."""
MOVING_METRES = 0.1
"""A body moves if its surface travels this far over the clip."""


def refusal(scene: Scene, triangle: Int32[np.ndarray, "T H W"]) -> str | None:
    """Why a scene is not worth rendering, or None."""
    shown = coverage(scene, triangle)
    ground = np.array([body.facts.get("role") == "ground" for body in scene.bodies])
    things, moving = shown[~ground].sum(), shown[travelled(scene) > MOVING_METRES].sum()
    if things < LEAST_THINGS:
        return f"things cover {things:.1%} of the pixels, less than {LEAST_THINGS:.0%}"
    if moving < LEAST_MOVING and not scene.still:
        return f"moving things cover {moving:.1%} of the pixels, less than {LEAST_MOVING:.0%}"
    near, behind = closeness(scene, triangle)
    if near < LEAST_DISTANCE:
        return f"the camera comes within {near:.2f} m of something, less than {LEAST_DISTANCE} m"
    if behind > MOST_BEHIND:
        return f"{behind:.1%} of a frame shows surfaces from behind: the camera is inside something"
    if (low := lowest(scene)) < LOWEST:
        return f"something reaches {-low:.2f} m below the floor, more than {-LOWEST} m"
    return None


def closeness(scene: Scene, triangle: Int32[np.ndarray, "T H W"]) -> tuple[float, float]:
    """The least z-depth of any pixel (metres; inf if all is sky), and the largest share of a frame's pixels that see the
    back of a triangle, at every fourth frame and the last."""
    joined = surfaces(scene)
    near, behind = np.inf, 0.0
    for frame in {*range(0, len(triangle), 4), len(triangle) - 1}:
        seen = triangle[frame][triangle[frame] >= 0]
        if not seen.size:
            continue
        posed = corners(joined, seen, frame) - scene.cameras.world_from_camera[frame, :3, 3]
        normal = np.cross(posed[:, 1] - posed[:, 0], posed[:, 2] - posed[:, 0])
        plane = np.einsum("na,na->n", normal, posed[:, 0])
        pixels = pixel_centres(*triangle.shape[1:])[triangle[frame] >= 0]
        direction = rays(scene.cameras.K[frame], pixels) @ scene.cameras.world_from_camera[frame, :3, :3].T
        near = min(near, float((plane / np.einsum("na,na->n", normal, direction)).min()))
        behind = max(behind, float((plane > 0).mean()))
    return near, behind


def coverage(scene: Scene, triangle: Int32[np.ndarray, "T H W"]) -> Float64[np.ndarray, " B"]:
    """Share of all pixels of a clip that each body covers."""
    seen = body_of_triangle(surfaces(scene), triangle)
    return np.bincount(seen[seen >= 0], minlength=len(scene.bodies)) / triangle.size


def lowest(scene: Scene) -> float:
    """Least z of any vertex of a thing at any time, metres."""
    things = [body for body in scene.bodies if body.facts.get("role") != "ground"]
    return min((float(_world(body)[..., 2].min()) for body in things), default=0.0)


def travelled(scene: Scene) -> Float64[np.ndarray, " B"]:
    """Metres that the vertices of each body travel over the clip, along their paths, on average."""
    return np.array([_travelled(body) for body in scene.bodies])


def _travelled(body: Body) -> float:
    return float(np.linalg.norm(np.diff(_world(body), axis=0), axis=-1).sum(axis=0).mean())


def _world(body: Body) -> Float64[np.ndarray, "T V 3"]:
    """Vertices at all times."""
    shapes = body.asset.mesh.vertices[None] if body.shapes is None else body.shapes
    return transform(body.world_from_body[:, None], shapes.astype(np.float64))
