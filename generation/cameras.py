"""Camera programs: where the camera is, what it looks at, through which lens. Each takes its randomness first.

A program moves on a `Stage`, the shell of space around what there is to see. `clear_of` draws from a program until the
camera keeps its distance from everything.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from scipy.interpolate import CubicSpline

from generation.scene import Body
from vdpm.clip import Cameras
from vdpm.geometry import rigid

ZOOMS = (28.0, 83.0)
"""Degrees, if the principal point were in the middle: within 25 to 90 for one up to 5 % of the width beside it."""
Path3D = Float64[np.ndarray, "T 3"]
Times = Float64[np.ndarray, " T"]
Intrinsics = Float64[np.ndarray, "3 3"]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Where a camera may be and what it looks at: a shell around the origin, and a ball inside it. Metres."""

    inner: float
    outer: float
    target: float
    """Radius of the ball, above the ground, in which what is looked at lies."""
    lowest: float = 0.3
    """Least height of the camera above z = 0."""
    longest: float = 4.0
    """Length of a path."""


def intrinsics(width: int, height: int, focal_mm: float, sensor_mm: float) -> Intrinsics:
    """K in pixels of a lens on a sensor of that width, square pixels, centred principal point."""
    focal = focal_mm / sensor_mm * width
    return np.array([[focal, 0.0, width / 2], [0.0, focal, height / 2], [0.0, 0.0, 1.0]])


def random_lens(
    rng: np.random.Generator, width: int, height: int, fov_degrees: tuple[float, float], shift: float
) -> Intrinsics:
    """K with a horizontal field of view from a range and the principal point off the centre by up to `shift` widths."""
    focal = width / 2 / np.tan(np.radians(rng.uniform(*fov_degrees)) / 2)
    dx, dy = rng.uniform(-shift, shift, size=2) * width
    return np.array([[focal, 0.0, width / 2 + dx], [0.0, focal, height / 2 + dy], [0.0, 0.0, 1.0]])


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
    K: Intrinsics,
    frames: int,
    eye_shell: tuple[float, float],
    target_shell: tuple[float, float],
    longest: float,
) -> Cameras:
    """MOVi-F's program: camera and look-at point each move on a straight line at constant speed."""
    eye = linear_path(rng, frames, *eye_shell, lowest=0.1, longest=longest)
    target = linear_path(rng, frames, *target_shell, lowest=0.1, longest=longest)
    return Cameras(K=np.tile(K, (frames, 1, 1)), world_from_camera=look_at(eye, target))


def fixed(rng: np.random.Generator, K: Intrinsics, times: Times, stage: Stage) -> Cameras:
    """A camera on a tripod."""
    return _shoot(K, np.tile(_eye(rng, stage), (len(times), 1)), _target(rng, stage))


def linear(rng: np.random.Generator, K: Intrinsics, times: Times, stage: Stage) -> Cameras:
    """A straight move with both ends eased, gazing at one point."""
    start, end = _move(rng, stage)
    return _shoot(K, start + _ease(times)[:, None] * (end - start), _target(rng, stage))


def dolly(rng: np.random.Generator, K: Intrinsics, times: Times, stage: Stage) -> Cameras:
    """Towards what is looked at, or away from it."""
    near, far = sorted(rng.uniform(stage.inner, stage.outer, size=2))
    direction, target = _eye(rng, stage), _target(rng, stage)
    direction /= np.linalg.norm(direction)
    way = _ease(times) if rng.uniform() < 0.5 else 1.0 - _ease(times)
    return _shoot(K, (near + way * (far - near))[:, None] * direction, target)


def pan(rng: np.random.Generator, K: Intrinsics, times: Times, stage: Stage) -> Cameras:
    """A tripod head turning by 10 to 40 degrees across the scene."""
    eye, target = _eye(rng, stage), _target(rng, stage)
    angle = np.radians(rng.uniform(10, 40)) * rng.choice([-1, 1]) * (_ease(times) - 0.5)
    return _shoot(K, np.tile(eye, (len(times), 1)), eye + _turned(target - eye, angle))


def orbit(rng: np.random.Generator, K: Intrinsics, times: Times, stage: Stage) -> Cameras:
    """Around the scene by 20 to 100 degrees, while height and distance drift."""
    start, target = _eye(rng, stage), _target(rng, stage)
    angle = np.radians(rng.uniform(20, 100)) * rng.choice([-1, 1]) * _ease(times)
    distance = 1.0 + (rng.uniform(stage.inner, stage.outer) / np.linalg.norm(start) - 1.0) * _ease(times)
    return _shoot(K, _turned(start, angle) * distance[:, None], target)


def spline(rng: np.random.Generator, K: Intrinsics, times: Times, stage: Stage) -> Cameras:
    """A smooth flight through four points, gaze wandering likewise."""
    start, knots = _eye(rng, stage), np.linspace(times[0], times[-1], 4)
    corners = start + np.concatenate([[np.zeros(3)], rng.normal(size=(3, 3)) * stage.longest / 3]).cumsum(axis=0)
    corners[:, 2] = np.maximum(corners[:, 2], stage.lowest)
    targets = np.stack([_target(rng, stage) for _ in knots])
    eye = CubicSpline(knots, corners)(times)
    eye[:, 2] = np.maximum(eye[:, 2], stage.lowest)
    return _shoot(K, eye, CubicSpline(knots, targets)(times))


def handheld(rng: np.random.Generator, K: Intrinsics, times: Times, stage: Stage) -> Cameras:
    """A person walking slowly with a camera: a linear move, steps at 1.8 Hz, and tremor that falls off with frequency."""
    start, end = _move(rng, stage)
    eye = start + _ease(times)[:, None] * (end - start) + 0.015 * _tremor(rng, times)
    eye[:, 2] += 0.02 * np.sin(2 * np.pi * 1.8 * times + rng.uniform(0, 6.28))
    target = _target(rng, stage) + 0.012 * np.linalg.norm(start) * _tremor(rng, times)
    return _shoot(K, eye, target)


def zoom(rng: np.random.Generator, K: Intrinsics, times: Times, stage: Stage) -> Cameras:
    """A tripod shot during which the focal length changes by a factor of 1.3 to 2, in or out, about that of the lens or
    as near it as `ZOOMS` lets both ends be."""
    shot, factor = fixed(rng, K, times, stage), rng.uniform(1.3, 2.0)
    shortest, longest = (K[0, 2] / np.tan(np.radians(fov) / 2) for fov in reversed(ZOOMS))
    middle = np.clip(K[0, 0], shortest * factor**0.5, longest / factor**0.5)
    way = middle / K[0, 0] * factor ** (rng.choice([-1.0, 1.0]) * (_ease(times) - 0.5))
    lens = shot.K.copy()
    lens[:, 0, 0] *= way
    lens[:, 1, 1] *= way
    return Cameras(K=lens, world_from_camera=shot.world_from_camera)


def jumps(rng: np.random.Generator, K: Intrinsics, times: Times, stage: Stage) -> Cameras:
    """Cuts: another place every four to eight frames while the world's time runs on."""
    cut = int(rng.integers(4, 9))
    shots = [(_eye(rng, stage), _target(rng, stage)) for _ in range(0, len(times), cut)]
    index = np.arange(len(times)) // cut
    eyes, targets = (np.stack(points)[index] for points in zip(*shots, strict=True))
    return _shoot(K, eyes, targets)


def drive(rng: np.random.Generator, K: Intrinsics, times: Times, lane: float) -> Cameras:
    """Forward along +x in a lane (y in metres) at 4 to 12 m/s, from x = 0, 1.3 to 1.9 m high, swaying a little."""
    speed, height = rng.uniform(4.0, 12.0), rng.uniform(1.3, 1.9)
    eye = np.stack([speed * times, np.full_like(times, lane), np.full_like(times, height)], axis=-1)
    ahead = eye + [30.0, rng.uniform(-1.0, 3.0), rng.uniform(-2.0, 0.5)]
    return _shoot(K, eye + 0.01 * _tremor(rng, times), ahead + 0.15 * _tremor(rng, times))


Program = Callable[[np.random.Generator, Intrinsics, Times, Stage], Cameras]
PROGRAMS: dict[str, Program] = {
    program.__name__: program for program in (fixed, linear, dolly, pan, orbit, spline, handheld, zoom, jumps)
}


def spot(rng: np.random.Generator, bodies: tuple[Body, ...], roles: tuple[str, ...]) -> Float64[np.ndarray, " 3"]:
    """What a shot is about: where one of the bodies of some roles is on average, at half its height."""
    stars = [body for body in bodies if body.facts.get("role") in roles]
    star = stars[int(rng.integers(len(stars)))]
    return star.world_from_body[:, :3, 3].mean(axis=0) * [1.0, 1.0, 0.5]


def about(spot: Float64[np.ndarray, " 3"], shot: Cameras) -> Cameras:
    """A shot moved from the origin to a spot."""
    moved = shot.world_from_camera.copy()
    moved[:, :3, 3] += spot
    return Cameras(K=shot.K, world_from_camera=moved)


def clear_of(
    bodies: tuple[Body, ...], draw: Callable[[], Cameras], clearance: float = 0.5, tries: int = 200
) -> Cameras:
    """The first drawn cameras that never come within `clearance` metres of a thing's bounding sphere.

    Ground and structure are left out: they are what the camera stands on and in; the gate looks after them.

    Raises:
        RuntimeError: none of the tries is clear.
    """
    things = [body for body in bodies if body.facts.get("role") not in ("ground", "structure")]
    centres = np.stack([body.world_from_body[:, :3, 3] for body in things], axis=1)
    radii = np.array([_radius(body) for body in things])
    for _ in range(tries):
        cameras = draw()
        gap = np.linalg.norm(cameras.world_from_camera[:, None, :3, 3] - centres, axis=-1) - radii
        if gap.min() > clearance:
            return cameras
    raise RuntimeError(f"no camera path in {tries} tries keeps {clearance} m away from every thing")


def _radius(body: Body) -> float:
    """Of the sphere about a body's origin that holds it at all times."""
    vertices = body.asset.mesh.vertices if body.shapes is None else body.shapes
    return float(np.linalg.norm(vertices, axis=-1).max())


def _shoot(K: Intrinsics, eye: Path3D, target: Float64[np.ndarray, "*T 3"]) -> Cameras:
    return Cameras(K=np.tile(K, (len(eye), 1, 1)), world_from_camera=look_at(eye, np.broadcast_to(target, eye.shape)))


def _eye(rng: np.random.Generator, stage: Stage) -> Float64[np.ndarray, " 3"]:
    """A place for the camera; views from below 60 degrees of elevation, where upright is well defined."""
    while True:
        point = shell_point(rng, stage.inner, stage.outer, stage.lowest)
        if point[2] < 0.87 * np.linalg.norm(point):
            return point


def _target(rng: np.random.Generator, stage: Stage) -> Float64[np.ndarray, " 3"]:
    return shell_point(rng, 0.0, stage.target, 0.1 * stage.target)


def _move(rng: np.random.Generator, stage: Stage) -> tuple[Float64[np.ndarray, " 3"], Float64[np.ndarray, " 3"]]:
    path = linear_path(rng, 2, stage.inner, stage.outer, stage.lowest, stage.longest)
    return path[0], path[1]


def _ease(times: Times) -> Times:
    """From 0 to 1 with zero speed at both ends (smoothstep)."""
    s = (times - times[0]) / (times[-1] - times[0])
    return s * s * (3 - 2 * s)


def _turned(vector: Float64[np.ndarray, " 3"], angle: Times) -> Path3D:
    """A vector turned about z by each angle, radians."""
    c, s = np.cos(angle), np.sin(angle)
    x, y, z = vector
    return np.stack([c * x - s * y, s * x + c * y, np.full_like(c, z)], axis=-1)


def _tremor(rng: np.random.Generator, times: Times) -> Path3D:
    """Noise of about unit size per axis: sinusoids from 0.4 to 8 Hz whose amplitude falls as 1/f, as a hand's does."""
    frequency = np.geomspace(0.4, 8.0, 12)
    phase = rng.uniform(0, 2 * np.pi, size=(3, 12))
    amplitude = rng.normal(size=(3, 12)) * 0.4 / frequency
    return (amplitude * np.sin(2 * np.pi * times[:, None, None] * frequency + phase)).sum(axis=-1)
