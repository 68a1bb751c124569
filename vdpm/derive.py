"""All geometric truth of a clip, derived from its causes: triangle per pixel, meshes, poses, cameras.

`hits` turns the pixels of a frame into material points (triangle and barycentric weights), `points` says where those are
at any time, and every other quantity is one line on top of the two. All arithmetic is in float64: nothing is stored
rounded, nothing depends on the renderer.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int32

from vdpm.clip import Clip, Surfaces, Truth
from vdpm.geometry import invert, pixel_centres, project, transform


@dataclass(frozen=True, kw_only=True)
class Hits:
    """The material points seen by the pixels of one frame."""

    seen: Bool[np.ndarray, "H W"]
    triangle: Int32[np.ndarray, " N"]
    """Of the seen pixels, in row-major order."""
    weights: Float64[np.ndarray, "N 3"]
    """Barycentric coordinates in that triangle."""

    def image(self, values: Float64[np.ndarray, "N *C"]) -> Float64[np.ndarray, "H W *C"]:
        """Values of the seen pixels laid out as an image, NaN elsewhere."""
        if len(values) == self.seen.size:
            return values.reshape(*self.seen.shape, *values.shape[1:])
        image = np.full((*self.seen.shape, *values.shape[1:]), np.nan)
        image[self.seen] = values
        return image


def body_of_triangle(surfaces: Surfaces, triangle: Int32[np.ndarray, "*N"]) -> Int32[np.ndarray, "*N"]:
    """Index of the body that each triangle belongs to; -1 stays -1."""
    body = np.searchsorted(surfaces.face_start, triangle, side="right") - 1
    return np.where(triangle < 0, -1, body).astype(np.int32)


def body_of_vertex(surfaces: Surfaces) -> Int32[np.ndarray, " V"]:
    """Index of the body that each vertex belongs to; vertices of no triangle are given to the first."""
    body = np.zeros(len(surfaces.vertices), np.int32)
    body[surfaces.faces] = body_of_triangle(surfaces, np.arange(len(surfaces.faces), dtype=np.int32))[:, None]
    return body


def body_vertices(surfaces: Surfaces, time: int) -> Float64[np.ndarray, "V 3"]:
    """All vertices at a time, each in the frame of its body."""
    vertices = surfaces.vertices.astype(np.float64)
    vertices[surfaces.deforming] = surfaces.shapes[time]
    return vertices


def corners(surfaces: Surfaces, triangle: Int32[np.ndarray, " N"], time: int) -> Float64[np.ndarray, "N 3 3"]:
    """World positions (N, corner, xyz) of the corners of triangles at a time."""
    world_from_body = surfaces.world_from_body[time, body_of_triangle(surfaces, triangle)]
    return transform(world_from_body[:, None], body_vertices(surfaces, time)[surfaces.faces[triangle]])


def hits(clip: Clip, frame: int) -> Hits:
    """What each pixel centre of a frame sees: its ray intersected with the plane of its triangle.

    A weight is an affine function of the point, so that it takes one row for each triangle that is seen and no corner for
    each pixel: with edges u, v from corner a and n = u x v, the weight of the second corner is (p - a) . (v x n) / n . n.
    """
    seen = clip.triangle[frame] >= 0
    triangle = clip.triangle[frame][seen]
    once, which = _once(triangle, len(clip.surfaces.faces))
    a, b, c = np.moveaxis(_in_view(clip, once, frame, frame), 1, 0)
    normal = np.cross(b - a, c - a)
    area = np.einsum("na,na->n", normal, normal)[:, None]
    rows = np.stack([normal, np.cross(c - a, normal) / area, np.cross(normal, b - a) / area], axis=1)
    facing, weight_b, weight_c = _along_rays(rows, which, seen, clip.cameras.K[frame])
    level, level_b, level_c = _spread(np.einsum("nra,na->nr", rows, a), which)
    along = level / facing
    weight_b = along * weight_b - level_b
    weight_c = along * weight_c - level_c
    weights = np.stack([1.0 - weight_b - weight_c, weight_b, weight_c], axis=-1)
    return Hits(seen=seen, triangle=triangle, weights=weights)


def _once(triangle: Int32[np.ndarray, " N"], count: int) -> tuple[Int32[np.ndarray, " M"], Int32[np.ndarray, " N"]]:
    """Each of some triangles once, sorted, and where each is among these. `np.unique` would sort all pixels."""
    used = np.zeros(count, bool)
    used[triangle] = True
    once = np.flatnonzero(used).astype(np.int32)
    place = np.zeros(count, np.int32)
    place[once] = np.arange(len(once), dtype=np.int32)
    return once, place[triangle]


def _spread(values: Float64[np.ndarray, "M *C"], which: Int32[np.ndarray, " N"]) -> Float64[np.ndarray, "*C N"]:
    """Values of triangles given to pixels, one component after the other: that is how memory likes them."""
    first = np.ascontiguousarray(np.moveaxis(values, 0, -1))
    return first.take(which, axis=-1)


def _along_rays(
    rows: Float64[np.ndarray, "M R 3"],
    which: Int32[np.ndarray, " N"],
    seen: Bool[np.ndarray, "H W"],
    K: Float64[np.ndarray, "3 3"],
) -> Float64[np.ndarray, "R N"]:
    """Products of the rows of triangles with the rays (z = 1) of their pixels: affine in u and v, so no ray is made."""
    height, width = seen.shape
    u = np.broadcast_to(np.arange(width) + 0.5, seen.shape)[seen]
    v = np.broadcast_to(np.arange(height)[:, None] + 0.5, seen.shape)[seen]
    of_u, of_v, level = _spread(np.moveaxis(rows @ np.linalg.inv(K), 2, 1), which)
    return of_u * u + of_v * v + level


def _in_view(clip: Clip, triangle: Int32[np.ndarray, " M"], time: int, view: int) -> Float64[np.ndarray, "M 3 3"]:
    """Corners (M, corner, xyz) of triangles at a time, in the frame of a camera."""
    surfaces = clip.surfaces
    vertices = surfaces.vertices.copy()
    vertices[surfaces.deforming] = surfaces.shapes[time]
    view_from_body = invert(clip.cameras.world_from_camera[view]) @ surfaces.world_from_body[time]
    pose = view_from_body[body_of_triangle(surfaces, triangle)]
    return transform(pose[:, None], vertices[surfaces.faces[triangle]].astype(np.float64))


def points(clip: Clip, source: Hits, time: int) -> Float64[np.ndarray, "H W 3"]:
    """World position of the material points of a frame at a time, NaN where nothing is seen."""
    posed = corners(clip.surfaces, source.triangle, time)
    return source.image(np.einsum("nc,nca->na", source.weights, posed))


def point_map(clip: Clip, source: Hits, time: int, view: int) -> Float64[np.ndarray, "H W 3"]:
    """P_i(t_j, pi_k): the points of frame i at time j in the frame of camera k."""
    return source.image(points_in_view(clip, source, time, view).T)


def points_in_view(clip: Clip, source: Hits, time: int, view: int) -> Float64[np.ndarray, "3 N"]:
    """Of the seen pixels of a frame, in row-major order: their points at a time in the frame of a camera."""
    once, which = _once(source.triangle, len(clip.surfaces.faces))
    posed = _spread(_in_view(clip, once, time, view), which)
    return np.einsum("nc,can->an", source.weights, posed)


def point_maps(clip: Clip, source: Hits, times: Sequence[int], view: int) -> Float32[np.ndarray, "T H W 3"]:
    """P_i(t_j, pi_k) for several times j, rounded: `point_map` with what does not depend on time computed once."""
    maps = np.full((len(times), *source.seen.shape, 3), np.nan, np.float32)
    for image, carried in zip(maps, _carried(clip, source, times, view), strict=True):
        image[source.seen] = carried
    return maps


def _carried(clip: Clip, source: Hits, times: Sequence[int], view: int) -> Iterator[Float64[np.ndarray, "N 3"]]:
    """The material points of a frame at some times in the frame of a camera.

    They are kept in the frames of their bodies, so that a time costs one rigid transform a body; only points of triangles
    that deform are placed anew. The array is used again for the next time.
    """
    surfaces = clip.surfaces
    faces = surfaces.faces[source.triangle]
    place = np.einsum("nc,nca->na", source.weights, surfaces.vertices[faces].astype(np.float64))
    soft = np.flatnonzero(np.isin(faces, surfaces.deforming).any(axis=1))
    body = body_of_triangle(surfaces, source.triangle)
    members = [(int(index), np.flatnonzero(body == index)) for index in np.unique(body)]
    view_from_world = invert(clip.cameras.world_from_camera[view])
    carried = np.empty_like(place)
    for time in times:
        if len(soft):
            place[soft] = np.einsum("nc,nca->na", source.weights[soft], body_vertices(surfaces, time)[faces[soft]])
        view_from_body = view_from_world @ surfaces.world_from_body[time]
        for index, pixels in members:
            carried[pixels] = place[pixels] @ view_from_body[index, :3, :3].T + view_from_body[index, :3, 3]
        yield carried


def depth(clip: Clip, frame: int) -> Float64[np.ndarray, "H W"]:
    """z of what each pixel sees, metres: where the ray meets the plane of the triangle. The z of a ray is 1."""
    seen = clip.triangle[frame] >= 0
    once, which = _once(clip.triangle[frame][seen], len(clip.surfaces.faces))
    a, b, c = np.moveaxis(_in_view(clip, once, frame, frame), 1, 0)
    normal = np.cross(b - a, c - a)
    inverse = normal / np.einsum("na,na->n", normal, a)[:, None]
    image = np.full(seen.shape, np.nan)
    image[seen] = 1.0 / _along_rays(inverse[:, None], which, seen, clip.cameras.K[frame])[0]
    return image


def normals(clip: Clip, frame: int) -> Float64[np.ndarray, "H W 3"]:
    """Unit normals of the triangles, in the frame of the camera, turned towards it."""
    source = hits(clip, frame)
    posed = corners(clip.surfaces, source.triangle, frame)
    normal = np.cross(posed[:, 1] - posed[:, 0], posed[:, 2] - posed[:, 0])
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    towards = clip.cameras.world_from_camera[frame, :3, 3] - posed[:, 0]
    normal *= np.sign(np.einsum("na,na->n", normal, towards))[:, None]
    return source.image(normal @ clip.cameras.world_from_camera[frame, :3, :3])


def bodies(clip: Clip, frame: int) -> Int32[np.ndarray, "H W"]:
    """Instance ids: the index of the body that each pixel sees, -1 for none."""
    return body_of_triangle(clip.surfaces, clip.triangle[frame])


def scene_flow(clip: Clip, frame: int, time: int) -> Float64[np.ndarray, "H W 3"]:
    """World displacement of the points of a frame from its own time to another, metres."""
    source = hits(clip, frame)
    return points(clip, source, time) - points(clip, source, frame)


def optical_flow(clip: Clip, frame: int, time: int) -> Float64[np.ndarray, "H W 2"]:
    """x(time) - x(frame) in pixels; NaN where nothing is seen or the point ends up behind the camera."""
    landed = project(point_map(clip, hits(clip, frame), time, time), clip.cameras.K[time])
    return landed - pixel_centres(*landed.shape[:2])


def tracks(clip: Clip, source: Hits) -> Float32[np.ndarray, "T H W 3"]:
    """World positions at every time of the points of one frame."""
    times = range(len(clip.rgb))
    return np.stack([points(clip, source, time) for time in times]).astype(np.float32)


def truth(
    clip: Clip,
    frames: tuple[int, ...],
    sources: tuple[int, ...],
    *,
    look: Callable[[int], Hits] | None = None,
    with_depth: bool = True,
) -> Truth:
    """The answers to a video made of some frames of a clip; `sources` index into `frames`.

    `look` may remember the `hits` of frames that are asked for again. Without depth, which costs the hits of all frames,
    that field is unknown (NaN).
    """
    index = list(frames)
    look = look or (lambda frame: hits(clip, frame))
    height, width = clip.rgb.shape[1:3]
    maps = [point_maps(clip, look(frames[source]), frames, frames[0]) for source in sources]
    z = [point_maps(clip, look(frame), (frame,), frame)[0, ..., 2] for frame in frames] if with_depth else []
    return Truth(
        K=clip.cameras.K[index],
        world_from_camera=clip.cameras.world_from_camera[index],
        depth=np.stack(z) if z else np.full((len(frames), height, width), np.nan, np.float32),
        points=np.array(maps, np.float32).reshape(len(sources), len(frames), height, width, 3),
        sources=sources,
    )
