"""A clip small enough to reason about, made without Blender, PyBullet or Embree.

A box slides and spins over a floor while the camera dollies. Pixels are assigned to triangles by a brute-force
Moeller-Trumbore test of every ray against every triangle: slow, independent of the code under test.
"""

from dataclasses import replace

import numpy as np

from vdpm.clip import Cameras, Clip, Surfaces, Truth
from vdpm.geometry import rigid

BOX = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float32) * 0.5
BOX_FACES = np.array(
    [[0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1], [2, 3, 7], [2, 7, 6], [0, 2, 6], [0, 6, 4],
     [1, 5, 7], [1, 7, 3]], np.int32)  # fmt: skip
FLOOR = np.array([[-6, -6, 0], [6, -6, 0], [6, 6, 0], [-6, 6, 0]], np.float32)
FLOOR_FACES = np.array([[0, 1, 2], [0, 2, 3]], np.int32)


def spin(angle: float) -> np.ndarray:
    """Rotation about z by an angle in radians."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def look_at(eye: np.ndarray, target: np.ndarray) -> np.ndarray:
    """world_from_camera of an OpenCV camera at `eye` that looks at `target`, upright."""
    forward = (target - eye) / np.linalg.norm(target - eye)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    return rigid(np.stack([right, np.cross(forward, right), forward], axis=-1), eye)


def nearest(origin: np.ndarray, directions: np.ndarray, corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Index of the first triangle (F, 3, 3) on each ray (N, 3), -1 for none, and how many ray lengths away it is.

    Moeller & Trumbore 1997.
    """
    a, ab, ac = corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    p = np.cross(directions[:, None], ac)
    determinant = np.einsum("nfa,fa->nf", p, ab)
    determinant = np.where(np.abs(determinant) < 1e-12, np.nan, determinant)
    to_origin = origin - a
    u = np.einsum("nfa,fa->nf", p, to_origin) / determinant
    q = np.cross(to_origin, ab)
    v = np.einsum("na,fa->nf", directions, q) / determinant
    distance = np.einsum("fa,fa->f", q, ac) / determinant
    inside = (u >= 0) & (v >= 0) & (u + v <= 1) & (distance > 0)
    distance = np.where(inside, distance, np.inf)
    first = distance.min(axis=1)
    return np.where(np.isfinite(first), distance.argmin(axis=1), -1).astype(np.int32), first


def box_pose(time: float) -> tuple[np.ndarray, np.ndarray]:
    """Rotation and position of the box, time from 0 to 1."""
    return spin(2 * time), np.array([1.6 * time - 0.8, 0.5 * time, 0.5])


def posed_corners(clip: Clip, time: float) -> np.ndarray:
    """World corners (F, 3, 3) of all triangles, straight from the motion and not from the clip's poses."""
    rotation, position = box_pose(time)
    vertices = clip.surfaces.vertices.astype(np.float64)
    vertices[len(FLOOR) :] = vertices[len(FLOOR) :] @ rotation.T + position
    return vertices[clip.surfaces.faces]


def pixel_rays(clip: Clip, frame: int) -> np.ndarray:
    """World directions (H * W, 3) through the pixel centres of a frame, with z = 1 in the camera frame."""
    height, width = clip.rgb.shape[1:3]
    u, v = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    pixels = np.stack([u, v, np.ones_like(u)], axis=-1).reshape(-1, 3)
    return pixels @ np.linalg.inv(clip.cameras.K[frame]).T @ clip.cameras.world_from_camera[frame, :3, :3].T


def cast(clip: Clip, frame: int) -> tuple[np.ndarray, np.ndarray]:
    """Triangle (H, W), -1 for none, and z-depth (H, W), inf for none, of a frame by brute force."""
    time = frame / max(len(clip.rgb) - 1, 1)
    eye = clip.cameras.world_from_camera[frame, :3, 3]
    triangle, depth = nearest(eye, pixel_rays(clip, frame), posed_corners(clip, time))
    shape = clip.rgb.shape[1:3]
    return triangle.reshape(shape), depth.reshape(shape)


def tiny_clip(frames: int = 20, height: int = 24, width: int = 32, name: str = "tiny-0-00000000") -> Clip:
    """The clip: two bodies (floor, moving box), a moving camera, sky in the upper corners."""
    time = np.linspace(0.0, 1.0, frames)
    box = np.stack([rigid(*box_pose(t)) for t in time])
    world_from_body = np.stack([np.broadcast_to(np.eye(4), box.shape), box], axis=1)
    world_from_camera = np.stack(
        [look_at(np.array([0.5 * t, -6.0 + 0.3 * t, 2.0]), np.array([0.0, 0.0, 0.8])) for t in time]
    )
    K = np.array([[width * 1.1, 0.0, width / 2], [0.0, width * 1.1, height / 2], [0.0, 0.0, 1.0]])
    unseen = Clip(
        name=name,
        rgb=np.zeros((frames, height, width, 3), np.uint8),
        triangle=np.full((frames, height, width), -1, np.int32),
        cameras=Cameras(K=np.tile(K, (frames, 1, 1)), world_from_camera=world_from_camera),
        surfaces=Surfaces(
            vertices=np.concatenate([FLOOR, BOX]),
            faces=np.concatenate([FLOOR_FACES, BOX_FACES + len(FLOOR)]),
            face_start=np.array([0, 2, 14], np.int32),
            world_from_body=world_from_body,
            deforming=np.zeros(0, np.int32),
            shapes=np.zeros((frames, 0, 3), np.float32),
        ),
        meta={"family": "tiny", "seed": 0},
    )
    triangle = np.stack([cast(unseen, frame)[0] for frame in range(frames)])
    shade = np.array([[90, 140, 220], [120, 110, 100], [200, 80, 60]], np.uint8)
    body = np.where(triangle < 0, 0, np.where(triangle < 2, 1, 2))
    return replace(unseen, rgb=shade[body], triangle=triangle)


def truth_like(**arrays: np.ndarray) -> Truth:
    """A truth of which only some arrays matter."""
    frames = next(iter(arrays.values())).shape[1 if "points" in arrays else 0]
    sources = len(arrays["points"]) if "points" in arrays else 0
    defaults = {
        "K": np.tile(np.eye(3), (frames, 1, 1)),
        "world_from_camera": np.tile(np.eye(4), (frames, 1, 1)),
        "depth": np.ones((frames, 1, 1), np.float32),
        "points": np.ones((sources, frames, 1, 1, 3), np.float32),
    }
    if "points" in arrays:
        defaults["depth"] = np.ones((frames, *arrays["points"].shape[2:4]), np.float32)
    if "depth" in arrays:
        defaults["points"] = np.ones((0, frames, *arrays["depth"].shape[1:], 3), np.float32)
    return Truth(**{**defaults, **arrays}, sources=tuple(range(sources)))
