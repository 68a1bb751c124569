"""Rays against the posed meshes of a clip, by Embree: what a pixel sees, and whether a point is seen and if not, why.

Needs the package embreex (extra `generation` or `raycast`). Embree works in float32. Meshes are handed to it in the camera
frame, where the origin is exact and rounding grows with distance as pixels do.
"""

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene
from jaxtyping import Bool, Float32, Float64, Int32, UInt8

from vdpm.clip import Cameras, Clip, Seen, Surfaces
from vdpm.derive import Hits, bodies, body_of_triangle, body_of_vertex, body_vertices, point_map
from vdpm.geometry import invert, pixel_centres, project, rays, transform
from vdpm.objects import amodal_boxes, objects

TOLERANCE = 1e-5
"""Share of its distance by which a hit may lie before a point and still be the point itself: rounding in float32."""


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
    camera_from_body = invert(cameras.world_from_camera[frame]) @ surfaces.world_from_body[frame]
    return transform(camera_from_body[body_of_vertex(surfaces)], body_vertices(surfaces, frame))


def amodal_masks(clip: Clip, frame: int) -> Bool[np.ndarray, "O H W"]:
    """The pixels that each object (`vdpm.objects`) would cover if it were alone."""
    height, width = clip.rgb.shape[1:3]
    pixels = pixel_centres(height, width)
    vertices = camera_vertices(clip.surfaces, clip.cameras, frame).astype(np.float32)
    of_face = np.repeat(objects(clip).of_body, np.diff(clip.surfaces.face_start))
    boxes = amodal_boxes(clip, frame)
    masks = np.zeros((len(boxes), height, width), bool)
    for number, (left, top, right, bottom) in enumerate(np.nan_to_num(boxes, nan=-1.0)):
        rows, columns = (
            slice(max(0, int(top)), max(0, int(bottom) + 1)),
            slice(max(0, int(left)), max(0, int(right) + 1)),
        )
        around = pixels[rows, columns]
        if around.size:
            scene = EmbreeScene(robust=True)
            TriangleMesh(scene, vertices, np.ascontiguousarray(clip.surfaces.faces[of_face == number]))
            cast = rays(clip.cameras.K[frame], around.reshape(-1, 2)).astype(np.float32)
            hit = scene.run(np.zeros_like(cast), cast)
            masks[number, rows, columns] = (np.asarray(hit) >= 0).reshape(around.shape[:2])
    return masks


def amodal_visibility(clip: Clip, frame: int) -> Float64[np.ndarray, " O"]:
    """Share of the pixels that each object would cover alone that do show it; NaN if it is out of the frame."""
    alone = amodal_masks(clip, frame).sum(axis=(1, 2))
    body = bodies(clip, frame)
    shown = np.bincount(objects(clip).of_body[body[body >= 0]], minlength=len(alone))
    return np.where(alone > 0, np.minimum(shown / np.maximum(alone, 1), 1.0), np.nan)


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
