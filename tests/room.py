"""A long way through a room with a ball that flies ahead: points, cameras and motion in closed form, of any length.

Also those who answer windows of it: the truth in a world of each window's own, and that truth bent and noisy.
"""

from dataclasses import dataclass

import numpy as np

from tests.tiny import look_at
from vdpm.geometry import invert, pixel_centres, rays, rigid, transform
from vdpm.reconstruction.window import Answer

HALF = np.array([10.0, 8.0, 3.0])
"""Half of the sides of the room, metres."""
RADIUS = 0.8
HEIGHT, WIDTH = 18, 24
K = np.array([[20.0, 0.0, WIDTH / 2], [0.0, 20.0, HEIGHT / 2], [0.0, 0.0, 1.0]])


def on_the_way(angle: float) -> np.ndarray:
    return np.array([6.0 * np.cos(angle), 4.5 * np.sin(angle), 0.4 * np.sin(3 * angle)])


@dataclass(frozen=True)
class Room:
    """The truth of a video."""

    world_from_camera: np.ndarray
    points: np.ndarray
    """(T, H, W, 3): what each pixel sees, in the world."""
    ball: np.ndarray
    """(T, H, W): whether that is the ball."""
    centre: np.ndarray
    """(T, 3) of the ball."""
    rgb: np.ndarray


def room(frames: int, turn: float = 1.5 * np.pi) -> Room:
    angles = np.linspace(0.0, turn, frames)
    poses = np.stack([look_at(on_the_way(angle), on_the_way(angle + 0.6)) for angle in angles])
    centre = np.stack([on_the_way(a + 0.5) + [0.0, 0.0, 0.5 * np.sin(9 * a)] for a in angles])
    seen = [_cast(pose, middle) for pose, middle in zip(poses, centre, strict=True)]
    points, ball = (np.stack(parts) for parts in zip(*seen, strict=True))
    checks = (np.floor(points * 1.5).sum(axis=-1) % 2 * 90 + 100)[..., None] * [1.0, 0.9, 0.8]
    rgb = np.where(ball[..., None], [220, 60, 40], checks).astype(np.uint8)
    rgb[:, 0, 0] = np.stack([np.arange(frames) // 256, np.arange(frames) % 256, np.full(frames, 7)], axis=-1)
    return Room(world_from_camera=poses, points=points, ball=ball, centre=centre, rgb=rgb)


def _cast(pose: np.ndarray, centre: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Nearest of the walls, from inside, and the ball."""
    direction = rays(K, pixel_centres(HEIGHT, WIDTH)) @ pose[:3, :3].T
    eye = pose[:3, 3]
    wall = ((np.sign(direction) * HALF - eye) / direction).min(axis=-1)
    half = direction @ (centre - eye) / (direction**2).sum(axis=-1)
    nearest = ((eye + half[..., None] * direction - centre) ** 2).sum(axis=-1)
    inside = np.sqrt(np.maximum(RADIUS**2 - nearest, 0) / (direction**2).sum(axis=-1))
    ball = (nearest < RADIUS**2) & (half - inside > 0)
    far = np.where(ball, half - inside, wall)
    return eye + far[..., None] * direction, ball


def frames_of(rgb: np.ndarray) -> list[int]:
    """Which frames of the room these are: they carry their number in a corner."""
    high, low = rgb[:, 0, 0, :2].astype(int).T
    return (high * 256 + low).tolist()


def oracle(truth: Room, rgb: np.ndarray) -> Answer:
    """In the camera of the first frame of the window, in metres."""
    frames = frames_of(rgb)
    world = invert(truth.world_from_camera[frames[0]])
    points = transform(world, truth.points[frames])
    ends = truth.centre[[frames[0], frames[-1]]]
    moved = np.linalg.norm(ends[:, None] - truth.centre[frames], axis=-1).max(axis=0)
    first = points[0].reshape(-1, 3)[:: WIDTH // 2 + 1]
    ride = (truth.centre[frames] - truth.centre[frames[0]]) @ world[:3, :3].T
    flies = truth.ball[frames[0]].reshape(-1)[:: WIDTH // 2 + 1]
    pixels = pixel_centres(HEIGHT, WIDTH).reshape(-1, 2)[:: WIDTH // 2 + 1]
    return Answer(
        K=np.tile(K, (len(frames), 1, 1)),
        world_from_camera=world @ truth.world_from_camera[frames],
        points=points.astype(np.float32),
        confidence=np.ones(points.shape[:3], np.float32),
        motion=(truth.ball[frames] * moved[:, None, None]).astype(np.float32),
        tracks=(first[:, None] + flies[:, None, None] * ride).astype(np.float32),
        track_pixel=pixels.astype(np.float32),
    )


def bent(rng: np.random.Generator, answer: Answer) -> Answer:
    """An answer as a network errs: a scale of its own, scale and heading that drift along the window, noise, outliers
    that it is not sure of."""
    count = len(answer.points)
    way = np.linspace(-0.5, 0.5, count)
    stretch = np.exp(rng.normal(0, 0.02) * way)
    heading = rng.normal(0, np.radians(0.5)) * way
    turns = np.stack([np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]]) for a in heading])
    drift = rigid(turns * 1.0, np.zeros((count, 3)))
    scale = np.exp(rng.normal(0, 0.3))
    local = transform(invert(answer.world_from_camera)[:, None, None], answer.points.astype(float))
    local = local * (stretch[:, None, None] * rng.normal(1, 0.01, answer.points.shape[:3]))[..., None]
    wild = rng.random(answer.points.shape[:3]) < 0.1
    local = np.where(wild[..., None], local * rng.uniform(0.3, 0.8, wild.shape)[..., None], local)
    poses = answer.world_from_camera @ drift
    poses[:, :3, 3] *= scale
    return Answer(
        K=answer.K, world_from_camera=poses,
        points=transform(poses[:, None, None], scale * local).astype(np.float32),
        confidence=np.where(wild, 1.0, rng.uniform(1.5, 3.0, wild.shape)).astype(np.float32),
        motion=(scale * answer.motion).astype(np.float32),
        tracks=(scale * answer.tracks).astype(np.float32), track_pixel=answer.track_pixel,
    )  # fmt: skip
