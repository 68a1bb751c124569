"""What an analytic scene is made of: solids and how they move, looks, a light, a camera on its way.

Laws are those of the rendered families in small: things at rest on a floor, some tossed with up to 7 m/s and 8 rad/s,
some that slide, turn or hover, cameras on straight lines, around, or driving, lenses of 25 to 90 degrees.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int

from vdpm.geometry import rigid
from vdpm.training import textures
from vdpm.training.solids import Kind, Solids

FRAMES = 20
RATE = 12.0
"""Frames a second."""
GRAVITY = 9.81


@dataclass(frozen=True, kw_only=True)
class Look:
    """Textures of B bodies: two fields each, the first coloured by a palette, the second darkens and lightens."""

    fields: Int[np.ndarray, "B 2"]
    repeats: Float64[np.ndarray, "B 2"]
    """Periods a metre."""
    offsets: Float64[np.ndarray, "B 2 3"]
    palettes: Float64[np.ndarray, "B 256 3"]
    mottle: Float64[np.ndarray, " B"]
    gloss: Float64[np.ndarray, " B"]
    sharpness: Float64[np.ndarray, " B"]


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A scene at the S frames of a window."""

    name: str
    solids: Solids
    look: Look
    sun: Float64[np.ndarray, " 3"]
    """Direction to it."""
    power: float
    ambient: float
    heaven: Float64[np.ndarray, "2 3"]
    """Linear colours of the sky, at the horizon and above."""
    K: Float64[np.ndarray, "S 3 3"]
    world_from_camera: Float64[np.ndarray, "S 4 4"]

    def sky(self, directions: Float32[np.ndarray, "S 3 N"]) -> Float32[np.ndarray, "S 3 N"]:
        """Colours where rays meet nothing."""
        height = directions[:, 2] / np.sqrt(np.einsum("san,san->sn", directions, directions))
        share = np.sqrt(np.clip(height, 0.0, 1.0))[:, None]
        low, high = self.heaven.astype(np.float32)[:, None, :, None]
        return low + share * (high - low)


def draw(rng: np.random.Generator, frames: Int[np.ndarray, " S"], size: int) -> Scene:
    """A scene at some of its frames, for square images of a size."""
    seconds = np.concatenate([frames, [0, FRAMES - 1]]) / RATE
    reach = float(np.exp(rng.uniform(np.log(2.0), np.log(6.0))))
    kinds, half, poses = _scenery(rng, reach, len(seconds))
    for _ in range(int(rng.integers(4, 15))):
        kind, sizes, pose = _thing(rng, seconds, reach)
        kinds.append(kind)
        half.append(sizes)
        poses.append(pose)
    world_from_body = np.stack(poses, axis=1)
    world_from_camera = _camera(rng, seconds, reach, world_from_body[:, 1:, :3, 3])
    field_of_view = np.radians(rng.uniform(25.0, 90.0) if rng.random() < 0.3 else rng.uniform(38.0, 60.0))
    focal = size / 2 / np.tan(field_of_view / 2)
    K = np.array([[focal, 0.0, size / 2], [0.0, focal, size / 2], [0.0, 0.0, 1.0]])
    sun = rng.standard_normal(3) * [1.0, 1.0, 0.3] + [0.0, 0.0, 1.0]
    sun[2] = abs(sun[2]) + 0.2
    count = len(frames)
    return Scene(
        name=str(rng.integers(1 << 48)),
        solids=Solids(kinds=np.array(kinds), half=np.stack(half), world_from_body=world_from_body[:count]),
        look=_look(rng, np.stack(half)),
        sun=sun / np.linalg.norm(sun),
        power=float(rng.uniform(0.5, 1.2)),
        ambient=float(rng.uniform(0.2, 0.6)),
        heaven=rng.uniform(0.2, 1.0, (2, 1)) * (0.6 + 0.4 * rng.random((2, 3))),
        K=np.tile(K, (count, 1, 1)),
        world_from_camera=world_from_camera[:count],
    )


def _scenery(
    rng: np.random.Generator, reach: float, times: int
) -> tuple[list[int], list[np.ndarray], list[np.ndarray]]:
    """A floor under an open sky, a floor with a wall or two, or a closed room."""
    still = np.tile(np.eye(4), (times, 1, 1))

    def at(*centre: float) -> np.ndarray:
        moved = still.copy()
        moved[:, :3, 3] = centre
        return moved

    kind = rng.random()
    if kind < 0.25:
        half = np.array([rng.uniform(1.5, 3.0) * reach, rng.uniform(1.5, 3.0) * reach, rng.uniform(0.5, 1.2) * reach])
        return [int(Kind.ROOM)], [half], [at(0.0, 0.0, float(half[2]))]
    kinds, half, poses = [int(Kind.CUBE)], [np.array([8 * reach, 8 * reach, 0.05])], [at(0.0, 0.0, -0.05)]
    for _ in range(int(rng.integers(0, 3)) if kind < 0.8 else 0):
        angle, distance = rng.uniform(0, 2 * np.pi), rng.uniform(1.5, 5.0) * reach
        wall = at(distance * np.cos(angle), distance * np.sin(angle), 0.0)
        wall[:, :3, :3] = _yaw(np.full(times, angle))
        kinds.append(int(Kind.CUBE))
        half.append(np.array([0.1, 8 * reach, rng.uniform(0.4, 2.0) * reach]))
        poses.append(wall)
    return kinds, half, poses


def _thing(rng: np.random.Generator, seconds: np.ndarray, reach: float) -> tuple[int, np.ndarray, np.ndarray]:
    """A solid and its way: at rest, tossed, sliding, or hovering and turning."""
    kind = int(rng.choice([Kind.BALL, Kind.CUBE, Kind.CAN]))
    size = float(np.exp(rng.uniform(np.log(0.05), np.log(0.35)))) * reach
    sizes = size * rng.uniform(0.5, 1.2, 3) if rng.random() < 0.7 else np.full(3, size)
    if kind == Kind.CAN:
        sizes[1] = sizes[0]
    start = np.array([*rng.uniform(-reach, reach, 2), sizes[2]])
    way = rng.choice(["rest", "tossed", "sliding", "hovering"], p=[0.5, 0.3, 0.12, 0.08])
    angle = rng.uniform(0, 2 * np.pi)
    if way == "rest":
        return kind, sizes, rigid(_yaw(np.full(len(seconds), angle)), np.tile(start, (len(seconds), 1)))
    speed = rng.uniform(0.05, 0.7) * reach
    heading = rng.uniform(0, 2 * np.pi)
    velocity = speed * np.array([np.cos(heading), np.sin(heading), 0.0])
    if way == "sliding":
        rate = rng.normal(0.0, 0.8)
        return kind, sizes, rigid(_yaw(angle + rate * seconds), start + seconds[:, None] * velocity)
    turn = _spin(rng, seconds, rng.uniform(0.0, 8.0))
    if way == "hovering":
        start[2] += rng.uniform(0.2, 1.0) * reach
        amplitude, phase = rng.uniform(0.1, 0.5, 3) * reach, rng.uniform(0, 2 * np.pi, 3)
        sway = amplitude * np.sin(rng.uniform(1.0, 4.0, 3) * seconds[:, None] + phase)
        return kind, sizes, rigid(turn, start + sway * [1.0, 1.0, 0.4])
    radius = float(np.linalg.norm(sizes))
    height = _hops(rng.uniform(0.0, 1.0) * reach, rng.uniform(-0.5, 1.0) * reach, rng.uniform(0.2, 0.7), seconds)
    path = start + seconds[:, None] * velocity
    path[:, 2] = radius + height
    return kind, sizes, rigid(turn, path)


def _hops(height: float, speed: float, bounce: float, seconds: Float64[np.ndarray, " T"]) -> Float64[np.ndarray, " T"]:
    """Height of a thing that falls and bounces: parabolas whose speed shrinks by `bounce`, then rest."""
    answer = np.zeros(len(seconds))
    begin = 0.0
    for _ in range(12):
        flight = (speed + np.sqrt(speed**2 + 2 * GRAVITY * height)) / GRAVITY
        since = seconds - begin
        now = (since >= 0) & (since < flight)
        answer[now] = height + speed * since[now] - GRAVITY / 2 * since[now] ** 2
        begin, speed, height = begin + flight, bounce * (GRAVITY * flight - speed), 0.0
        if speed < 0.3:
            break
    return np.maximum(answer, 0.0)


def _camera(
    rng: np.random.Generator, seconds: Float64[np.ndarray, " T"], reach: float, things: Float64[np.ndarray, "T B 3"]
) -> Float64[np.ndarray, "T 4 4"]:
    """An eye on a straight line, around the scene, driving, or still, that looks at a place which moves as well."""
    share = (seconds / seconds.max())[:, None]
    angle, elevation = rng.uniform(0, 2 * np.pi), np.radians(rng.uniform(3.0, 55.0))
    distance = rng.uniform(1.2, 3.0) * reach
    way = rng.choice(["line", "around", "drive", "still"], p=[0.5, 0.25, 0.15, 0.1])
    angles = angle + (rng.uniform(-1.3, 1.3) * share[:, 0] if way == "around" else np.zeros(len(seconds)))
    around = np.stack([np.cos(angles), np.sin(angles), np.full(len(seconds), np.tan(elevation))], axis=-1)
    eye = distance * around / np.linalg.norm(around, axis=-1, keepdims=True)
    gaze = np.tile(rng.uniform(-0.3, 0.3, 3) * reach + [0.0, 0.0, 0.2 * reach], (len(seconds), 1))
    if way == "line":
        eye = eye + share * rng.uniform(-0.7, 0.7, 3) * reach
        gaze = gaze + share * rng.uniform(-0.4, 0.4, 3) * reach
    if way == "drive":
        ahead = (gaze[0] - eye[0]) * [1.0, 1.0, 0.0]
        eye = eye + share * rng.uniform(0.2, 0.8) * ahead
        gaze = eye + ahead + [0.0, 0.0, -0.1 * reach]
    eye[:, 2] = np.maximum(eye[:, 2], 0.08 * reach)
    return _look_at(eye, gaze)


def _look_at(eye: Float64[np.ndarray, "T 3"], gaze: Float64[np.ndarray, "T 3"]) -> Float64[np.ndarray, "T 4 4"]:
    forward = gaze - eye
    forward /= np.linalg.norm(forward, axis=-1, keepdims=True)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.maximum(np.linalg.norm(right, axis=-1, keepdims=True), 1e-9)
    return rigid(np.stack([right, np.cross(forward, right), forward], axis=-1), eye)


def _yaw(angles: Float64[np.ndarray, " T"]) -> Float64[np.ndarray, "T 3 3"]:
    turn = np.zeros((len(angles), 3, 3))
    turn[:, 0, 0] = turn[:, 1, 1] = np.cos(angles)
    turn[:, 1, 0], turn[:, 0, 1] = np.sin(angles), -np.sin(angles)
    turn[:, 2, 2] = 1.0
    return turn


def _spin(rng: np.random.Generator, seconds: Float64[np.ndarray, " T"], rate: float) -> Float64[np.ndarray, "T 3 3"]:
    """A random attitude that turns about a random axis (Rodrigues)."""
    first = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    first *= np.sign(np.linalg.det(first))
    axis = rng.standard_normal(3)
    x, y, z = axis / np.linalg.norm(axis)
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    angle = (rate * seconds)[:, None, None]
    return (np.eye(3) + np.sin(angle) * cross + (1.0 - np.cos(angle)) * cross @ cross) @ first


def _look(rng: np.random.Generator, half: Float64[np.ndarray, "B 3"]) -> Look:
    """Textures whose grain goes from a hundredth of a thing to its size."""
    count, size = len(half), np.minimum(half.max(axis=1), 3.0)
    return Look(
        fields=rng.integers(len(textures.bank()), size=(count, 2)),
        repeats=np.exp(rng.uniform(np.log(0.3), np.log(4.0), (count, 2))) / size[:, None],
        offsets=rng.random((count, 2, 3)),
        palettes=np.stack([textures.palette(rng) for _ in range(count)]),
        mottle=rng.uniform(0.0, 1.2, count),
        gloss=rng.uniform(0.1, 0.8, count) * (rng.random(count) < 0.5),
        sharpness=np.exp(rng.uniform(np.log(5.0), np.log(120.0), count)),
    )
