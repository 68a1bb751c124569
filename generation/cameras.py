"""Camera programs: where the camera is and what it looks at. Each takes its randomness first."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float64

from generation.scene import Body
from vdpm.clip import Cameras
from vdpm.geometry import rigid

Path3D = Float64[np.ndarray, "T 3"]


def intrinsics(width: int, height: int, focal_mm: float, sensor_mm: float) -> Float64[np.ndarray, "3 3"]:
    """K in pixels of a lens on a sensor of that width, square pixels, centred principal point."""
    focal = focal_mm / sensor_mm * width
    return np.array([[focal, 0.0, width / 2], [0.0, focal, height / 2], [0.0, 0.0, 1.0]])


def look_at(eye: Path3D, target: Path3D) -> Float64[np.ndarray, "T 4 4"]:
    """world_from_camera of upright cameras at `eye` that look at `target`.

    Raises:
        ValueError: a camera looks straight up or down, where upright has no meaning.
    """
    forward = (target - eye) / np.linalg.norm(target - eye, axis=-1, keepdims=True)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    length = np.linalg.norm(right, axis=-1, keepdims=True)
    if (length < 1e-6).any():
        raise ValueError("a camera looks straight up or down: move its target")
    right /= length
    return rigid(np.stack([right, np.cross(forward, right), forward], axis=-1), eye)


def shell_point(rng: np.random.Generator, inner: float, outer: float, lowest: float) -> Float64[np.ndarray, " 3"]:
    """A point with radius in [inner, outer] about the origin, uniform in volume, and z above `lowest`."""
    while True:
        direction = rng.normal(size=3)
        direction /= np.linalg.norm(direction)
        point = direction * rng.uniform(inner**3, outer**3) ** (1 / 3)
        if point[2] > lowest:
            return point


def linear_path(
    rng: np.random.Generator, frames: int, inner: float, outer: float, lowest: float, longest: float
) -> Path3D:
    """A straight path at constant speed, of random direction and at most `longest` metres, that stays in a shell."""
    while True:
        start = shell_point(rng, inner, outer, lowest)
        direction = rng.normal(size=3)
        end = start + direction / np.linalg.norm(direction) * rng.uniform(0.0, longest)
        if inner <= np.linalg.norm(end) <= outer and end[2] > lowest:
            return start + np.linspace(0.0, 1.0, frames)[:, None] * (end - start)


def linear_with_linear_look_at(
    rng: np.random.Generator,
    K: Float64[np.ndarray, "3 3"],
    frames: int,
    eye_shell: tuple[float, float],
    target_shell: tuple[float, float],
    longest: float,
) -> Cameras:
    """MOVi-F's program: camera and look-at point each move on a straight line at constant speed."""
    eye = linear_path(rng, frames, *eye_shell, lowest=0.1, longest=longest)
    target = linear_path(rng, frames, *target_shell, lowest=0.1, longest=longest)
    return Cameras(K=np.tile(K, (frames, 1, 1)), world_from_camera=look_at(eye, target))


def clear_of(
    bodies: tuple[Body, ...], draw: Callable[[], Cameras], clearance: float = 0.5, tries: int = 200
) -> Cameras:
    """The first drawn cameras that never come within `clearance` metres of a thing's bounding sphere.

    The ground is left out: programs keep above it themselves.

    Raises:
        RuntimeError: none of the tries is clear.
    """
    things = [body for body in bodies if body.facts.get("role") != "ground"]
    centres = np.stack([body.world_from_body[:, :3, 3] for body in things], axis=1)
    radii = np.array([np.linalg.norm(body.asset.mesh.vertices, axis=1).max() for body in things])
    for _ in range(tries):
        cameras = draw()
        gap = np.linalg.norm(cameras.world_from_camera[:, None, :3, 3] - centres, axis=-1) - radii
        if gap.min() > clearance:
            return cameras
    raise RuntimeError(f"no camera path in {tries} tries keeps {clearance} m away from every thing")
