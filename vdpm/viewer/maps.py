"""Clouds for the viewer from maps: one value a pixel, at each time."""

import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8

from vdpm import derive
from vdpm.clip import Cameras, Clip
from vdpm.geometry import transform, unproject
from vdpm.viewer.scene import Cloud

TRACK_GRID = 24
"""Tracks along the longer side of an image, before those that do not move are left out."""
STILL_METRES = 0.02
EDGE_RATIO = 0.05
"""Neighbours whose depths differ by more than this share lie on two surfaces, and a pixel between them on neither."""


def cloud_of_maps(
    name: str,
    points: Float[np.ndarray, "T H W 3"],
    rgb: UInt8[np.ndarray, "T H W 3"],
    *,
    cameras: Cameras,
    confidence: Float[np.ndarray, "T H W"] | None = None,
    tracks: Float[np.ndarray, "T M 3"] | None = None,
) -> Cloud:
    """P_t(t): points[t] are the world positions of the pixels of frame t, NaN where unknown."""
    times, height, width = points.shape[:3]
    return Cloud(
        name=name,
        points=points.reshape(times, -1, 3).astype(np.float32),
        colours=rgb.reshape(times, -1, 3),
        confidence=None if confidence is None else confidence.reshape(times, -1).astype(np.float32),
        tracks=None if tracks is None else tracks.astype(np.float32),
        cameras=cameras,
        image=(height, width),
    )


def cloud_of_depth(
    name: str,
    depth: Float[np.ndarray, "T H W"],
    rgb: UInt8[np.ndarray, "T H W 3"],
    *,
    cameras: Cameras,
    tracks: Float[np.ndarray, "T M 3"] | None = None,
) -> Cloud:
    """As `cloud_of_maps`, from z-depth. Tracks are in the world of the cameras."""
    return cloud_of_maps(name, world_points(depth, cameras), rgb, cameras=cameras, tracks=tracks)


def world_points(depth: Float[np.ndarray, "T H W"], cameras: Cameras) -> Float32[np.ndarray, "T H W 3"]:
    """World position of every pixel of every frame; NaN where the depth is."""
    maps = zip(depth, cameras.K, cameras.world_from_camera, strict=True)
    return np.stack([transform(pose, unproject(z, K)) for z, K, pose in maps]).astype(np.float32)


def cloud_of_clip(name: str, clip: Clip) -> Cloud:
    """The truth of a clip, with the tracks of the moving points of its first frame."""
    depth = np.stack([derive.depth(clip, frame) for frame in range(len(clip.rgb))])
    tracks = some_tracks(derive.tracks(clip, derive.hits(clip, 0)))
    return cloud_of_depth(name, depth, clip.rgb, cameras=clip.cameras, tracks=tracks)


def some_tracks(
    world: Float32[np.ndarray, "T H W 3"], *, grid: int = TRACK_GRID, still: float = STILL_METRES
) -> Float32[np.ndarray, "T M 3"]:
    """Tracks of a grid of pixels of one frame that are known and move by more than `still`."""
    step = max(1, round(max(world.shape[1:3]) / grid))
    lines = world[:, step // 2 :: step, step // 2 :: step].reshape(len(world), -1, 3)
    known = np.isfinite(lines).all(axis=(0, 2))
    moved = np.ptp(lines[:, known], axis=0).max(axis=-1) > still
    return lines[:, known][:, moved]


def off_edges(depth: Float[np.ndarray, "T H W"]) -> Bool[np.ndarray, "T H W"]:
    """Pixels that are not at a jump of depth, where networks put points in the air between two surfaces."""
    away = np.zeros(depth.shape, bool)
    for axis in (1, 2):
        first, second = (
            np.take(depth, range(*cut), axis=axis) for cut in ((0, depth.shape[axis] - 1), (1, depth.shape[axis]))
        )
        jump = np.abs(first - second) > EDGE_RATIO * np.minimum(first, second)
        pad = [(0, 0)] * 3
        for side in ((0, 1), (1, 0)):
            pad[axis] = side
            away |= np.pad(jump, pad)
    return ~away
