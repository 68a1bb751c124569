"""Rays against the posed meshes of a clip, by Embree: what a pixel sees, and whether a point is seen and if not, why.

Needs the package embreex (extra `generation` or `raycast`). Embree works in float32. Meshes are handed to it in the camera
frame, where the origin is exact and rounding grows with distance as pixels do.
"""

from enum import IntEnum

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene
from jaxtyping import Float32, Float64, Int32, UInt8

from vdpm.clip import Cameras, Clip, Surfaces
from vdpm.derive import Hits, body_of_triangle, body_vertices, point_map
from vdpm.geometry import invert, pixel_centres, project, rays, transform

TOLERANCE = 1e-5
"""Share of its distance by which a hit may lie before a point and still be the point itself: rounding in float32."""


class Seen(IntEnum):
    """Whether a point of one frame is seen at a time, and why not."""

    NOTHING = 0
    """The pixel has no point: sky."""
    VISIBLE = 1
    OTHER = 2
    """Hidden by another body."""
    ITSELF = 3
    """Hidden by its own body."""
    OUTSIDE = 4
    """In front of the camera but out of the frame."""
    BEHIND = 5
    """Behind the camera."""


def triangles_seen(
    surfaces: Surfaces, cameras: Cameras, height: int, width: int
) -> Int32[np.ndarray, "T {height} {width}"]:
    """Index of the triangle in front at every pixel centre of every frame, -1 where the ray leaves the scene.

    Only the index is kept; all that follows from it is recomputed in float64 (`vdpm.derive`).
    """
    pixels = pixel_centres(height, width).reshape(-1, 2)
    frames = (first_hits(surfaces, cameras, frame, rays(K, pixels))[0] for frame, K in enumerate(cameras.K))
    return np.stack([hit.reshape(height, width) for hit in frames])


def first_hits(
    surfaces: Surfaces, cameras: Cameras, frame: int, directions: Float64[np.ndarray, "N 3"]
) -> tuple[Int32[np.ndarray, " N"], Float32[np.ndarray, " N"]]:
    """The first triangle along each ray from the camera of a frame, -1 for none, and how many ray lengths away it is.

    Directions are in the camera frame.
    """
    scene = EmbreeScene(robust=True)
    TriangleMesh(scene, camera_vertices(surfaces, cameras, frame).astype(np.float32), surfaces.faces)
    cast = directions.astype(np.float32)
    hit = scene.run(np.zeros_like(cast), cast, output=1)
    return np.asarray(hit["primID"], np.int32), np.asarray(hit["tfar"], np.float32)


def camera_vertices(surfaces: Surfaces, cameras: Cameras, frame: int) -> Float64[np.ndarray, "V 3"]:
    """All vertices at a frame, in the frame of its camera."""
    body = np.zeros(len(surfaces.vertices), np.int32)  # vertices of no triangle may go with any body
    body[surfaces.faces] = body_of_triangle(surfaces, np.arange(len(surfaces.faces), dtype=np.int32))[:, None]
    camera_from_body = invert(cameras.world_from_camera[frame]) @ surfaces.world_from_body[frame]
    return transform(camera_from_body[body], body_vertices(surfaces, frame))


def visibility(clip: Clip, source: Hits, time: int) -> UInt8[np.ndarray, "H W"]:
    """For the material points of a frame: what `Seen` says of each at a time, from the camera of that time.

    Exact but for rounding: the ray to each point is cast against the posed meshes, no depth is compared with a tolerance
    of pixels. Meshes are opaque.
    """
    points = point_map(clip, source, time, time)
    height, width = clip.rgb.shape[1:3]  # not those of `source`, whose points may come from several frames
    pixels = project(points, clip.cameras.K[time])
    inside = ((pixels >= 0) & (pixels < (width, height))).all(axis=-1)
    answer = np.where(points[..., 2] > 0, Seen.OUTSIDE, Seen.BEHIND)
    answer[~source.seen] = Seen.NOTHING
    cast = source.seen & inside
    answer[cast] = _why(clip, time, points[cast], source.triangle[cast[source.seen]])
    return answer.astype(np.uint8)


def _why(
    clip: Clip, time: int, points: Float64[np.ndarray, "N 3"], triangle: Int32[np.ndarray, " N"]
) -> Int32[np.ndarray, " N"]:
    """VISIBLE, OTHER or ITSELF for points in the camera frame, which lie on triangles."""
    hit, lengths = first_hits(clip.surfaces, clip.cameras, time, points)
    reached = (hit < 0) | (hit == triangle) | (lengths > 1 - TOLERANCE)
    same = body_of_triangle(clip.surfaces, hit) == body_of_triangle(clip.surfaces, triangle)
    return np.where(reached, Seen.VISIBLE, np.where(same, Seen.ITSELF, Seen.OTHER)).astype(np.int32)
