"""Training examples from rendered clips: a window and a crop of a clip, and its truth from meshes and poses.

The formulas are those of `vdpm.derive` with everything shared by the pixels of a triangle computed once for it, which is
what a loader can afford; a test holds one against the other.
"""

from dataclasses import replace

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
    wanted = pixel_centres(height, width).reshape(-1, 2)
    reference_from_world = invert(clip.world_from_camera[0])
    reference_from_camera = reference_from_world @ clip.world_from_camera
    seen = clip.triangle >= 0
    triangle = np.where(seen, clip.triangle, 0).reshape(len(seen), -1)
    here = np.empty((*triangle.shape, 3), np.float32)
    there = np.empty_like(here)
    at_target = posed(clip, reference_from_world, target)
    for frame, index in enumerate(triangle):
        now = at_target if frame == target else posed(clip, reference_from_world, frame)
        pixels = wanted, places[frame].stored(*stored)
        weights = hit(now, index, clip.K[frame], reference_from_camera[frame], pixels)
        here[frame] = np.einsum("nc,nca->na", weights, now[index])
        there[frame] = here[frame] if frame == target else np.einsum("nc,nca->na", weights, at_target[index])
    pixels, depth = projected(there, clip.K[target], invert(reference_from_camera[target]))
    body = clip.body[triangle]
    body[~seen.reshape(body.shape)] = -1
    visible = in_sight(pixels, depth, body, (body[target].reshape(shape[1:]), depth[target].reshape(shape[1:])))
    for values in (here, there, pixels):
        values[~seen.reshape(body.shape)] = np.nan
    return Example(
        name=name,
        images=np.zeros((*shape, 3), np.float32),
        target=target,
        stamps=np.array(window.stamps, np.float32),
        here=here.reshape(*shape, 3),
        there=there.reshape(*shape, 3),
        pixels=pixels.reshape(*shape, 2),
        visible=visible.reshape(shape),
        K=clip.K,
        reference_from_camera=reference_from_camera,
    )


def posed(clip: Prepared, view_from_world: Float64[np.ndarray, "4 4"], frame: int) -> Float32[np.ndarray, "F 3 3"]:
    """Corners of all triangles at the time of a frame, in the frame of a camera."""
    corners = clip.corners
    if len(clip.soft):
        corners = corners.copy()
        corners[clip.soft] = clip.shapes[frame]
    view_from_body = (view_from_world @ clip.world_from_body[frame]).astype(np.float32)[clip.body]
    return corners @ np.swapaxes(view_from_body[:, :3, :3], 1, 2) + view_from_body[:, None, :3, 3]


def hit(
    corners: Float32[np.ndarray, "F 3 3"],
    triangle: Int32[np.ndarray, " N"],
    K: Float64[np.ndarray, "3 3"],
    reference_from_camera: Float64[np.ndarray, "4 4"],
    pixels: tuple[Float64[np.ndarray, "N 2"], Float64[np.ndarray, "N 2"]],
) -> Float32[np.ndarray, "N 3"]:
    """Barycentric weights of where rays meet their triangles; `pixels` are the wanted and the stored ones.

    With the camera at the origin and corners a, b, c a ray d meets the plane at weights d (b x c), d (c x a), d (a x b)
    up to their sum (Cramer's rule for [a b c] w = d). A wanted ray that misses the triangle, by less than a stored pixel,
    takes its last point on the way from the hit of the stored one.
    """
    a, b, c = np.moveaxis(corners.astype(np.float64) - reference_from_camera[:3, 3], 1, 0)
    volumes = np.stack([np.cross(b, c), np.cross(c, a), np.cross(a, b)], axis=1)
    volumes = volumes @ (reference_from_camera[:3, :3] @ np.linalg.inv(K))
    weights = _weights(volumes[triangle], pixels[0])
    missed = np.flatnonzero(weights.min(axis=1) < 0)
    if len(missed):
        start = np.clip(_weights(volumes[triangle[missed]], pixels[1][missed]), 0.0, 1.0)
        step = weights[missed] - start
        room = np.divide(-start, step, out=np.ones_like(step), where=step < 0)
        weights[missed] = start + np.minimum(room.min(axis=1, keepdims=True), 1.0) * step
    return weights.astype(np.float32)


def _weights(volumes: Float64[np.ndarray, "N 3 3"], pixels: Float64[np.ndarray, "N 2"]) -> Float64[np.ndarray, "N 3"]:
    weights = volumes[..., 2] + pixels[:, :1] * volumes[..., 0] + pixels[:, 1:] * volumes[..., 1]
    return weights / weights.sum(axis=1, keepdims=True)


def projected(
    points: Float32[np.ndarray, "S N 3"],
    K: Float64[np.ndarray, "3 3"],
    camera_from_reference: Float64[np.ndarray, "4 4"],
) -> tuple[Float32[np.ndarray, "S N 2"], Float32[np.ndarray, "S N"]]:
    """Pixels and z of points in the image of a camera; NaN for pixels of what is not in front of it."""
    onto = (K @ camera_from_reference[:3]).astype(np.float32)
    image = points @ onto[:, :3].T + onto[:, 3]
    z = image[..., 2]
    return image[..., :2] / np.where(z > 0, z, np.nan)[..., None], z


def in_sight(
    pixels: Float32[np.ndarray, "S N 2"],
    depth: Float32[np.ndarray, "S N"],
    body: Int32[np.ndarray, "S N"],
    target: tuple[Int32[np.ndarray, "H W"], Float32[np.ndarray, "H W"]],
) -> Bool[np.ndarray, "S N"]:
    """Whether points are seen in the target frame, given its bodies and depth: inside of it, and no farther than what one
    of the four pixels around them sees of the same body.
    """
    height, width = target[0].shape
    with np.errstate(invalid="ignore"):
        inside = (body >= 0) & (pixels[..., 0] >= 0) & (pixels[..., 0] < width)
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
