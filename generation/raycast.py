"""Ground truth: what the ray through each pixel centre hits first, by Embree, on exactly the meshes that are rendered."""

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene
from jaxtyping import Float64, Int32

from vdpm.clip import Cameras, Surfaces
from vdpm.derive import body_of_triangle, body_vertices
from vdpm.geometry import invert, pixel_centres, rays, transform


def triangles_seen(
    surfaces: Surfaces, cameras: Cameras, height: int, width: int
) -> Int32[np.ndarray, "T {height} {width}"]:
    """Index of the triangle in front at every pixel centre of every frame, -1 where the ray leaves the scene.

    Embree works in float32. The meshes are handed to it in the camera frame, where the origin is exact and rounding
    grows with distance as pixels do; only the triangle's index is kept, and all that follows from it is recomputed
    in float64 (`vdpm.derive`).
    """
    return np.stack([_frame(surfaces, cameras, frame, pixel_centres(height, width)) for frame in range(len(cameras.K))])


def _frame(
    surfaces: Surfaces, cameras: Cameras, frame: int, pixels: Float64[np.ndarray, "H W 2"]
) -> Int32[np.ndarray, "H W"]:
    directions = rays(cameras.K[frame], pixels).reshape(-1, 3).astype(np.float32)
    scene = EmbreeScene(robust=True)
    TriangleMesh(scene, camera_vertices(surfaces, cameras, frame).astype(np.float32), surfaces.faces)
    hit = scene.run(np.zeros_like(directions), directions)
    return np.asarray(hit, np.int32).reshape(pixels.shape[:2])


def camera_vertices(surfaces: Surfaces, cameras: Cameras, frame: int) -> Float64[np.ndarray, "V 3"]:
    """All vertices at a frame, in the frame of its camera."""
    body = np.empty(len(surfaces.vertices), np.int32)
    body[surfaces.faces] = body_of_triangle(surfaces, np.arange(len(surfaces.faces), dtype=np.int32))[:, None]
    camera_from_body = invert(cameras.world_from_camera[frame]) @ surfaces.world_from_body[frame]
    return transform(camera_from_body[body], body_vertices(surfaces, frame))
