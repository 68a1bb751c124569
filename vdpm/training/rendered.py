"""Training examples from rendered clips: a window and a crop of a clip, and its truth from meshes and poses.

The formulas are those of `vdpm.derive` with everything shared by the pixels of a triangle computed once for it, which is
what a loader can afford; a test holds one against the other.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int32, UInt8
from PIL import Image

from vdpm.geometry import invert, pixel_centres
from vdpm.training import augment
from vdpm.training.augment import Crop
from vdpm.training.example import Example
from vdpm.training.prepared import Prepared, compact
from vdpm.training.shards import Entry
from vdpm.training.windows import Window

SAME_DEPTH = 0.01
"""A point is seen when it is no farther than the surface of its body around it, to this share of its depth."""


def crops(clip: Prepared, zoom: float, size: int) -> list[Crop]:
    """A crop around the principal point for every frame."""
    height, width = clip.triangle.shape[1:]
    return [augment.crop(K, height, width, zoom, size) for K in clip.K]


def images(entry: Entry, window: Window, places: list[Crop]) -> UInt8[np.ndarray, "S size size 3"]:
    """The frames of a window, cropped and resized."""
    answer = np.empty((len(places), places[0].size, places[0].size, 3), np.uint8)
    for picture, crop, frame in zip(answer, places, entry.images(window.frames), strict=True):
        picture[:] = frame.resize((crop.size, crop.size), Image.Resampling.BILINEAR, box=crop.box)
    return answer


def cropped(clip: Prepared, places: list[Crop]) -> Prepared:
    """The clip as its crops see it.

    Every pixel takes the triangle of the stored pixel that its centre falls on.
    """
    height, width = clip.triangle.shape[1:]
    near = [crop.nearest(height, width) for crop in places]
    triangle = np.stack([image[rows][:, columns] for image, (rows, columns) in zip(clip.triangle, near, strict=True)])
    kept, seen = compact(triangle, len(clip.corners))
    return replace(
        clip,
        triangle=seen,
        corners=clip.corners[kept],
        body=clip.body[kept],
        **_soft(clip, kept),
        K=np.stack([crop.intrinsics(K) for crop, K in zip(places, clip.K, strict=True)]),
    )


def _soft(clip: Prepared, kept: Int32[np.ndarray, " F"]) -> dict[str, np.ndarray]:
    if not len(clip.soft):
        return {}
    number = np.full(len(clip.corners), -1, np.int32)
    number[clip.soft] = np.arange(len(clip.soft))
    among = number[kept]
    return {"soft": np.flatnonzero(among >= 0).astype(np.int32), "shapes": clip.shapes[:, among[among >= 0]]}


def truth(clip: Prepared, places: list[Crop], window: Window, name: str) -> Example:
    """All but the images of the example that the crops of the frames of a window are."""
    stored, clip = clip.triangle.shape[1:], cropped(clip, places)
    target, (height, width) = window.target, clip.triangle.shape[1:]
    shape = (len(clip.K), height, width)
    reference_from_world = invert(clip.world_from_camera[0])
    reference_from_camera = reference_from_world @ clip.world_from_camera
    seen = clip.triangle >= 0
    body = np.where(seen, clip.body[clip.triangle], -1)
    here = np.empty((*shape, 3), np.float32)
    there = np.empty_like(here)
    centres = np.ascontiguousarray(pixel_centres(height, width).reshape(-1, 2).T)
    at_target = posed(clip, reference_from_world, target)
    for frame, image in enumerate(clip.triangle):
        now = at_target if frame == target else posed(clip, reference_from_world, frame)
        view = View(
            K=clip.K[frame],
            reference_from_camera=reference_from_camera[frame],
            seen=seen[frame].ravel(),
            stored=places[frame].stored(*stored),
        )
        triangle = np.where(seen[frame], image, 0).ravel()
        points, weights = hit(now, triangle, view, centres)
        here[frame] = points.reshape(height, width, 3)
        there[frame] = here[frame]
        if frame != target:
            moved = carried(clip, (frame, target), reference_from_world, triangle, points, weights, at_target)
            there[frame] = moved.reshape(height, width, 3)
    here[~seen], there[~seen] = 0.0, 0.0
    pixels, depth = projected(there, clip.K[target], invert(reference_from_camera[target]))
    visible = in_sight(pixels, depth, body, (body[target], depth[target]))
    pixels[~(seen & (depth > 0))] = 0.0
    return Example(
        name=name,
        images=np.zeros((shape[0], 3, height, width), np.float32),
        target=target,
        stamps=np.array(window.stamps, np.float32),
        here=here,
        there=there,
        valid=seen,
        known=seen,
        pixels=pixels,
        visible=visible,
        K=clip.K,
        reference_from_camera=reference_from_camera,
    )


def posed(clip: Prepared, view_from_world: Float64[np.ndarray, "4 4"], frame: int) -> Float64[np.ndarray, "F 3 3"]:
    """Corners of all triangles at the time of a frame, in the frame of a camera."""
    corners = clip.corners
    if len(clip.soft):
        corners = corners.copy()
        corners[clip.soft] = clip.shapes[frame]
    view_from_body = (view_from_world @ clip.world_from_body[frame])[clip.body]
    return corners @ np.swapaxes(view_from_body[:, :3, :3], 1, 2) + view_from_body[:, None, :3, 3]


@dataclass(frozen=True, kw_only=True)
class View:
    """The camera of a frame and what its N pixels see."""

    K: Float64[np.ndarray, "3 3"]
    reference_from_camera: Float64[np.ndarray, "4 4"]
    seen: Bool[np.ndarray, " N"]
    """Whether a pixel sees something; what is computed for the others means nothing."""
    stored: Float64[np.ndarray, "N 2"]
    """Where in its image the stored pixels are that its own have their triangles from."""


def hit(
    corners: Float64[np.ndarray, "F 3 3"],
    triangle: Int32[np.ndarray, " N"],
    view: View,
    centres: Float64[np.ndarray, "2 N"],
) -> tuple[Float32[np.ndarray, "N 3"], Float64[np.ndarray, "3 N"]]:
    """Where the rays through pixel centres meet their triangles: points, and barycentric weights.

    With the camera at the origin and corners a, b, c a ray d meets the plane at weights d (b x c), d (c x a), d (a x b)
    up to their sum (Cramer's rule for [a b c] w = d), and after det [a b c] over that sum of its lengths. A ray that misses
    the triangle, by less than a stored pixel, takes its last point on the way from the hit of the stored pixel's.
    """
    eye, turn = view.reference_from_camera[:3, 3], view.reference_from_camera[:3, :3]
    rays = turn @ np.linalg.inv(view.K)
    a, b, c = np.moveaxis(corners - eye, (1, 2), (0, 1))
    edges = [_cross(b, c), _cross(c, a), _cross(a, b)]
    volumes = np.stack([rays.T @ edge for edge in edges])
    weights = _weights(volumes, triangle, *centres)
    total = weights.sum(axis=0)
    total[total == 0] = 1.0  # where nothing is seen
    length = np.einsum("af,af->f", a, edges[0]).take(triangle) / total
    points = (rays[:, :1] * centres[0] + rays[:, 1:2] * centres[1] + rays[:, 2:]) * length + eye[:, None]
    weights /= total
    missed = np.flatnonzero((np.minimum(np.minimum(weights[0], weights[1]), weights[2]) < 0) & view.seen)
    if len(missed):
        start = _weights(volumes, triangle[missed], *view.stored[missed].T)
        start = np.clip(start / start.sum(axis=0), 0.0, 1.0)
        step = weights[:, missed] - start
        room = np.divide(-start, step, out=np.ones_like(step), where=step < 0)
        weights[:, missed] = start + np.minimum(room.min(axis=0), 1.0) * step
        points[:, missed] = np.einsum("cn,nca->an", weights[:, missed], corners[triangle[missed]])
    return points.T.astype(np.float32), weights


def _cross(a: Float64[np.ndarray, "3 F"], b: Float64[np.ndarray, "3 F"]) -> Float64[np.ndarray, "3 F"]:
    return np.stack([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]])


def _weights(
    volumes: Float64[np.ndarray, "3 3 F"], triangle: Int32[np.ndarray, " N"], u: np.ndarray, v: np.ndarray
) -> Float64[np.ndarray, "3 N"]:
    answer = np.empty((3, len(triangle)))
    for weight, (x, y, one) in zip(answer, volumes, strict=True):
        np.multiply(x.take(triangle), u, out=weight)
        weight += y.take(triangle) * v
        weight += one.take(triangle)
    return answer


def carried(
    clip: Prepared,
    times: tuple[int, int],
    reference_from_world: Float64[np.ndarray, "4 4"],
    triangle: Int32[np.ndarray, " N"],
    points: Float32[np.ndarray, "N 3"],
    weights: Float64[np.ndarray, "3 N"],
    corners: Float64[np.ndarray, "F 3 3"],
) -> Float32[np.ndarray, "N 3"]:
    """Points, seen at the first of two times, at the second, at which the corners of their triangles are given.

    Most points are on bodies that rest, and are left alone.
    """
    before, after = (clip.world_from_body[time] for time in times)
    step = reference_from_world @ after @ invert(before) @ invert(reference_from_world)
    body = clip.body[triangle]
    answer = points.copy()
    for index in np.flatnonzero(np.abs(after - before).max(axis=(1, 2)) > 0):
        mine = np.flatnonzero(body == index)
        if len(mine):
            turn, move = step[index, :3, :3].astype(np.float32), step[index, :3, 3].astype(np.float32)
            answer[mine] = points[mine] @ turn.T + move
    if len(clip.soft):
        bends = np.zeros(len(clip.corners), bool)
        bends[clip.soft] = True
        soft = np.flatnonzero(bends[triangle])
        answer[soft] = np.einsum("cn,nca->na", weights[:, soft], corners[triangle[soft]])
    return answer


def projected(
    points: Float32[np.ndarray, "S H W 3"],
    K: Float64[np.ndarray, "3 3"],
    camera_from_reference: Float64[np.ndarray, "4 4"],
) -> tuple[Float32[np.ndarray, "S H W 2"], Float32[np.ndarray, "S H W"]]:
    """Pixels and z of points in the image of a camera; pixels mean nothing for what is not in front of it."""
    onto = (K @ camera_from_reference[:3]).astype(np.float32)
    x, y, z = (points[..., 0] * row[0] + points[..., 1] * row[1] + points[..., 2] * row[2] + row[3] for row in onto)
    scale = 1.0 / np.where(np.abs(z) > 1e-6, z, np.float32(1e-6))
    return np.stack([x * scale, y * scale], axis=-1), z


def in_sight(
    pixels: Float32[np.ndarray, "S H W 2"],
    depth: Float32[np.ndarray, "S H W"],
    body: Int32[np.ndarray, "S H W"],
    target: tuple[Int32[np.ndarray, "H W"], Float32[np.ndarray, "H W"]],
) -> Bool[np.ndarray, "S H W"]:
    """Whether points are seen in the target frame, given its bodies and depth: inside of it, and no farther than what one
    of the four pixels around them sees of the same body.
    """
    height, width = target[0].shape
    inside = (body >= 0) & (depth > 0) & (pixels[..., 0] >= 0) & (pixels[..., 0] < width)
    inside &= (pixels[..., 1] >= 0) & (pixels[..., 1] < height)
    bodies, depths = (np.pad(image, 1, mode="edge").ravel() for image in target)
    corner = (pixels[inside] + np.float32(0.5)).astype(np.int32)  # in the padded image
    first = corner[:, 1] * (width + 2) + corner[:, 0]
    mine, nearest = body[inside], depth[inside] * np.float32(1.0 / (1.0 + SAME_DEPTH))
    found = np.zeros(len(mine), bool)
    for step in (0, 1, width + 2, width + 3):
        found |= (bodies[first + step] == mine) & (nearest < depths[first + step])
    answer = np.zeros(inside.shape, bool)
    answer[inside] = found
    return answer
