"""Truth about whole objects: which bodies they are made of, boxes in images and in space, velocities.

A vehicle, a robot or a person is several bodies; `objects` says which belong together. What needs rays, how much of an
object is hidden, is in `vdpm.raycast`.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int32

from vdpm.clip import Clip
from vdpm.derive import bodies, body_of_vertex, body_vertices
from vdpm.errors import UserError
from vdpm.geometry import invert, project, rigid, transform

NEAR = 0.01
"""Metres before the camera at which what reaches behind it is cut off."""
CORNERS = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])


@dataclass(frozen=True, kw_only=True)
class Objects:
    """The objects of a clip, in the order of their first bodies."""

    names: tuple[str, ...]
    of_body: Int32[np.ndarray, " B"]
    """Index of the object that each body belongs to."""


@dataclass(frozen=True, kw_only=True)
class Boxes:
    """Oriented boxes, one for each object."""

    world_from_box: Float64[np.ndarray, "O 4 4"]
    """Origin in the middle of the box, axes along its sides: those of the object's first body."""
    size: Float64[np.ndarray, "O 3"]
    """Metres."""

    def corners(self) -> Float64[np.ndarray, "O 8 3"]:
        """World, metres; x varies slowest, z fastest."""
        return transform(self.world_from_box[:, None], CORNERS * self.size[:, None])


def objects(clip: Clip) -> Objects:
    """Which bodies belong together. Bodies that the metadata says nothing of are objects by themselves."""
    facts = clip.meta.get("bodies", [])
    count = len(clip.surfaces.face_start) - 1
    names = [_object(facts[number] if number < len(facts) else {}, number) for number in range(count)]
    found = list(dict.fromkeys(names))
    return Objects(names=tuple(found), of_body=np.array([found.index(name) for name in names], np.int32))


def _object(facts: dict, number: int) -> str:
    """Clips of the first version name robots and people, but not vehicles."""
    named = (facts.get(key) for key in ("object", "robot", "person", "name"))
    return next((str(name) for name in named if name), f"body_{number}")


def visible_boxes(clip: Clip, frame: int) -> Float64[np.ndarray, "O 4"]:
    """Left, top, right and bottom of the pixels that show each object, in pixels from the corner of the image; NaN if
    none does. A box of one pixel is one pixel wide."""
    whole = objects(clip)
    body = bodies(clip, frame)
    rows, columns = np.nonzero(body >= 0)
    of_pixel = whole.of_body[body[rows, columns]]
    low, high = np.full((len(whole.names), 2), np.inf), np.full((len(whole.names), 2), -np.inf)
    pixels = np.stack([columns, rows], axis=1)
    np.minimum.at(low, of_pixel, pixels)
    np.maximum.at(high, of_pixel, pixels + 1)
    boxes = np.concatenate([low, high], axis=1)
    return np.where(np.isfinite(boxes), boxes, np.nan)


def amodal_boxes(clip: Clip, frame: int) -> Float64[np.ndarray, "O 4"]:
    """Left, top, right and bottom of each object as if nothing hid it, in pixels; they may reach beyond the image.

    What is behind the camera is cut off; NaN of an object that is all behind it.
    """
    surfaces, K = clip.surfaces, clip.cameras.K[frame]
    vertices = transform(invert(clip.cameras.world_from_camera[frame]), world_vertices(clip, frame))
    of_body, boxes = objects(clip).of_body, []
    for number in range(of_body.max() + 1):
        corners = vertices[surfaces.faces[_faces(clip, of_body == number)]]
        ahead = _ahead(corners)
        pixels = project(ahead[None], K)[0]
        boxes.append([*pixels.min(axis=0), *pixels.max(axis=0)] if len(ahead) else [np.nan] * 4)
    return np.array(boxes)


def _ahead(corners: Float64[np.ndarray, "F 3 3"]) -> Float64[np.ndarray, "N 3"]:
    """Corners of triangles, in the frame of the camera, that are ahead of it, and where sides cross the near plane."""
    start, end = corners.reshape(-1, 3), np.roll(corners, -1, axis=1).reshape(-1, 3)
    crossing = (start[:, 2] > NEAR) != (end[:, 2] > NEAR)
    start_z, end_z = start[crossing, 2:], end[crossing, 2:]
    cut = start[crossing] + (NEAR - start_z) / (end_z - start_z) * (end[crossing] - start[crossing])
    return np.concatenate([start[start[:, 2] > NEAR], cut])


def oriented_boxes(clip: Clip, frame: int) -> Boxes:
    """The boxes that hold all vertices of each object at a frame, along the axes of its first body."""
    of_body, vertices = objects(clip).of_body, world_vertices(clip, frame)
    poses, sizes = [], []
    for number in range(of_body.max() + 1):
        world_from_body = clip.surfaces.world_from_body[frame, int(np.argmax(of_body == number))]
        used = np.unique(clip.surfaces.faces[_faces(clip, of_body == number)])
        local = transform(invert(world_from_body), vertices[used])
        low, high = local.min(axis=0), local.max(axis=0)
        poses.append(world_from_body @ rigid(np.eye(3), (low + high) / 2))
        sizes.append(high - low)
    return Boxes(world_from_box=np.stack(poses), size=np.stack(sizes))


def world_vertices(clip: Clip, frame: int) -> Float64[np.ndarray, "V 3"]:
    """All vertices at a frame, in the world."""
    poses = clip.surfaces.world_from_body[frame, body_of_vertex(clip.surfaces)]
    return transform(poses, body_vertices(clip.surfaces, frame))


def _faces(clip: Clip, chosen: np.ndarray) -> np.ndarray:
    """Which triangles (F bools) belong to chosen bodies (B bools)."""
    return np.repeat(chosen, np.diff(clip.surfaces.face_start))


def velocities(clip: Clip) -> Float64[np.ndarray, "T B 2 3"]:
    """Velocity of the origin (m/s) and angular velocity (rad/s) of each body in the world: the simulator's where it knows,
    else central differences of the poses, one-sided at the ends.

    Raises:
        UserError: neither is to be had.
    """
    rate = clip.meta.get("frame_rate")
    if rate is None or len(clip.rgb) < 2:
        raise UserError(f"clip {clip.name!r} has no velocities: it needs two frames and a frame_rate in its metadata")
    poses = clip.surfaces.world_from_body
    before, after = np.maximum(np.arange(len(poses)) - 1, 0), np.minimum(np.arange(len(poses)) + 1, len(poses) - 1)
    seconds = ((after - before) / rate)[:, None, None]
    linear = (poses[after, :, :3, 3] - poses[before, :, :3, 3]) / seconds
    turn = poses[after, :, :3, :3] @ np.swapaxes(poses[before, :, :3, :3], -1, -2)
    derived = np.stack([linear, rotation_vector(turn) / seconds], axis=2)
    if clip.physics is None:
        return derived
    known = np.stack([clip.physics.velocity, clip.physics.spin], axis=2).astype(np.float64)
    return np.where(np.isnan(known), derived, known)


def rotation_vector(rotation: Float64[np.ndarray, "*N 3 3"]) -> Float64[np.ndarray, "*N 3"]:
    """Axis times angle (radians, less than pi) of turns."""
    r = rotation
    across = np.stack([r[..., 2, 1] - r[..., 1, 2], r[..., 0, 2] - r[..., 2, 0], r[..., 1, 0] - r[..., 0, 1]], axis=-1)
    sine = np.linalg.norm(across, axis=-1, keepdims=True) / 2
    cosine = (np.trace(r, axis1=-2, axis2=-1)[..., None] - 1) / 2
    return across / 2 * np.where(sine > 1e-9, np.arctan2(sine, cosine) / np.maximum(sine, 1e-9), 1.0)
