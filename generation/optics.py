"""What the camera of a clip focuses on."""

import numpy as np
from jaxtyping import Float64, Int32

from generation.gate import coverage, travelled
from generation.scene import Scene
from vdpm.geometry import invert, transform

NEAREST = 0.3
"""Metres; no lens of ours focuses nearer."""


def focus(scene: Scene, triangle: Int32[np.ndarray, "T H W"]) -> Float64[np.ndarray, " T"]:
    """z-depth, metres, of the middle of the body that shows most motion: pixels covered times metres travelled.

    Where nothing moves it is the body, other than the ground, that covers most.
    """
    weight = coverage(scene, triangle) * [body.facts.get("role") != "ground" for body in scene.bodies]
    motion = weight * travelled(scene)
    body = scene.bodies[int(np.argmax(motion if motion.any() else weight))]
    shapes = body.asset.mesh.vertices[None] if body.shapes is None else body.shapes
    middle = (shapes.max(axis=1) + shapes.min(axis=1)).astype(np.float64) / 2
    world = transform(body.world_from_body, np.broadcast_to(middle, (len(triangle), 3)))
    return np.maximum(transform(invert(scene.cameras.world_from_camera), world)[:, 2], NEAREST)
