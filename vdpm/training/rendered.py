"""Training examples from rendered clips: a window and a crop of a clip, and its truth from meshes and poses.

The formulas are those of `vdpm.derive`, in one compiled pass over the pixels (`vdpm.training.tracing`), which is what a
loader can afford; a test holds one against the other.
"""

import numpy as np
from jaxtyping import Int32

from vdpm.geometry import camera_from_pixels, invert
from vdpm.training import augment, tracing
from vdpm.training.augment import Crop
from vdpm.training.example import Example
from vdpm.training.prepared import Prepared
from vdpm.training.windows import Window


def crops(clip: Prepared, zoom: float, size: int) -> list[Crop]:
    """A crop around the principal point for every frame."""
    height, width = clip.triangle.shape[1:]
    return [augment.crop(K, height, width, zoom, size) for K in clip.K]


def truth(clip: Prepared, places: list[Crop], window: Window, name: str) -> Example:
    """All but the images of the example that the crops of the frames of a window are."""
    shape = (len(places), places[0].size, places[0].size)
    reference_from_world = invert(clip.world_from_camera[0])
    K = np.stack([crop.intrinsics(own) for crop, own in zip(places, clip.K, strict=True)])
    found = tracing.Found(
        here=np.zeros((*shape, 3), np.float32),
        there=np.zeros((*shape, 3), np.float32),
        pixels=np.zeros((*shape, 2), np.float32),
        valid=np.zeros(shape, bool),
        visible=np.zeros(shape, bool),
    )
    scene = tracing.Scene(
        corners=clip.corners,
        body=clip.body,
        soft=_soft(clip),
        shapes=clip.shapes,
        reference_from_body=reference_from_world @ clip.world_from_body,
        rests=np.abs(clip.world_from_body - clip.world_from_body[window.target]).max(axis=(2, 3)) == 0,
    )
    tracing.trace(scene, _views(clip, places, K, window.target), found)
    return Example(
        name=name,
        images=np.zeros((shape[0], 3, *shape[1:]), np.float32),
        target=window.target,
        stamps=np.array(window.stamps, np.float32),
        here=found.here,
        there=found.there,
        valid=found.valid,
        known=found.valid,
        pixels=found.pixels,
        visible=found.visible,
        K=K,
        reference_from_camera=reference_from_world @ clip.world_from_camera,
    )


def _views(clip: Prepared, places: list[Crop], K: np.ndarray, target: int) -> tracing.Views:
    """What the crops see: every pixel takes the triangle of the stored pixel that its centre falls on."""
    height, width = clip.triangle.shape[1:]
    near = [crop.nearest(height, width) for crop in places]
    stored = [crop.stored(*lines) for crop, lines in zip(places, near, strict=True)]
    body_from_camera = invert(clip.world_from_body) @ clip.world_from_camera[:, None]
    return tracing.Views(
        triangle=clip.triangle,
        rows=np.stack([rows for rows, _ in near]),
        columns=np.stack([columns for _, columns in near]),
        stored_v=np.stack([v for v, _ in stored]),
        stored_u=np.stack([u for _, u in stored]),
        eyes=np.ascontiguousarray(body_from_camera[:, :, :3, 3]),
        rays=body_from_camera[:, :, :3, :3] @ camera_from_pixels(K)[:, None],
        onto=K[target] @ (invert(clip.world_from_camera[target]) @ clip.world_from_camera[0])[:3],
        target=target,
    )


def _soft(clip: Prepared) -> Int32[np.ndarray, " F"]:
    """Place of every triangle among those that deform, -1 for the others."""
    number = np.full(len(clip.corners), -1, np.int32)
    number[clip.soft] = np.arange(len(clip.soft))
    return number
