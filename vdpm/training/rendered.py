"""Training examples from rendered clips: a window and a crop of a clip, and its truth derived from meshes and poses."""

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float64, Int32
from PIL import Image

from vdpm import derive
from vdpm.clip import Cameras, Clip, Surfaces
from vdpm.geometry import invert, project, transform
from vdpm.training import augment
from vdpm.training.example import Example
from vdpm.training.shards import Entry, load_arrays
from vdpm.training.windows import Window

SAME_DEPTH = 0.01
"""A point is seen when it is no farther than the surface of its body around it, to this share of its depth."""


def example(entry: Entry, window: Window, zoom: float, size: int, rng: np.random.Generator) -> Example:
    """The window of a clip as a training example; `rng` draws the colours."""
    clip = view(entry, window, zoom, size)
    return replace(truth(clip, window), images=augment.colours(rng, clip.rgb))


def view(entry: Entry, window: Window, zoom: float, size: int) -> Clip:
    """The frames of a window, cropped and resized, as a clip of its own.

    Every pixel takes the triangle of the stored pixel that its centre falls on; where its own ray misses that triangle,
    by less than a stored pixel, `material` keeps it on the triangle.
    """
    members = entry.read("camera.npz", "mesh.npz", "motion.npz", "triangle.npz")
    camera, mesh, motion = (load_arrays(members[f"{field}.npz"]) for field in ("camera", "mesh", "motion"))
    triangle = load_arrays(members["triangle.npz"])
    index = list(window.frames)
    height, width = triangle["0000"].shape
    crops = [augment.crop(camera["K"][frame], height, width, zoom, size) for frame in index]
    images, seen = [], []
    for frame, crop in zip(index, crops, strict=True):
        images.append(np.asarray(entry.image(frame).resize((size, size), Image.Resampling.BILINEAR, box=crop.box)))
        seen.append(triangle[f"{frame:04d}"][np.ix_(*crop.nearest(height, width))])
    return Clip(
        name=entry.name,
        rgb=np.stack(images),
        triangle=np.stack(seen),
        cameras=Cameras(
            K=np.stack([crop.intrinsics(camera["K"][frame]) for frame, crop in zip(index, crops, strict=True)]),
            world_from_camera=camera["world_from_camera"][index],
        ),
        surfaces=Surfaces(
            vertices=mesh["vertices"],
            faces=mesh["faces"],
            face_start=mesh["face_start"],
            world_from_body=motion["world_from_body"][index],
            deforming=mesh["deforming"],
            shapes=motion["shapes"][index],
        ),
    )


def material(clip: Clip, frame: int) -> derive.Hits:
    """`derive.hits`, kept on their triangles."""
    found = derive.hits(clip, frame)
    weights = np.clip(found.weights, 0.0, 1.0)
    return replace(found, weights=weights / weights.sum(axis=1, keepdims=True))


def truth(clip: Clip, window: Window) -> Example:
    """All but the colours of the example that a clip of the frames of a window is."""
    target, frames = window.target, range(len(window.frames))
    maps = [derive.point_maps(clip, material(clip, frame), (frame, target), 0) for frame in frames]
    here, there = np.stack(maps, axis=1)
    reference_from_camera = invert(clip.cameras.world_from_camera[0]) @ clip.cameras.world_from_camera
    in_target = transform(invert(reference_from_camera[target]), there)
    pixels = project(in_target, np.tile(clip.cameras.K[target], (len(frames), 1, 1)))
    z = transform(invert(reference_from_camera[target]), here[target])[..., 2]
    bodies = derive.body_of_triangle(clip.surfaces, clip.triangle)
    return Example(
        name=clip.name,
        images=np.zeros(clip.rgb.shape, np.float32),
        target=target,
        stamps=np.array(window.stamps, np.float32),
        here=here,
        there=there,
        pixels=pixels.astype(np.float32),
        visible=visible(pixels, in_target[..., 2], bodies, bodies[target], z),
        K=clip.cameras.K,
        reference_from_camera=reference_from_camera,
    )


def visible(
    pixels: Float64[np.ndarray, "S H W 2"],
    depth: Float64[np.ndarray, "S H W"],
    bodies: Int32[np.ndarray, "S H W"],
    target_bodies: Int32[np.ndarray, "H W"],
    target_depth: Float64[np.ndarray, "H W"],
) -> Bool[np.ndarray, "S H W"]:
    """Whether points are seen in the target frame: inside of it, and no farther than what one of the four pixels around
    them sees of the same body.
    """
    height, width = target_bodies.shape
    inside = ((pixels >= 0) & (pixels < (width, height))).all(axis=-1)
    answer = np.zeros(inside.shape, bool)
    corner = np.floor(pixels[inside] - 0.5).astype(int)
    body, z = bodies[inside], depth[inside]
    found = np.zeros(len(z), bool)
    for column in (0, 1):
        for row in (0, 1):
            u = np.clip(corner[:, 0] + column, 0, width - 1)
            v = np.clip(corner[:, 1] + row, 0, height - 1)
            found |= (target_bodies[v, u] == body) & (z < (1.0 + SAME_DEPTH) * target_depth[v, u])
    answer[inside] = found
    return answer
