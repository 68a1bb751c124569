"""The instances of a clip as MOVi describes them."""

import colorsys
from itertools import product
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64
from scipy.spatial.transform import Rotation

from vdpm import derive
from vdpm.clip import Clip, Surfaces
from vdpm.geometry import invert, project, transform

BACKGROUND = ("ground", "structure")
"""Roles of bodies that are no instances."""
GL_FROM_CV = np.diag([1.0, -1.0, -1.0])
PALETTE = [0, 0, 0] + [
    round(255 * value) for i in range(1, 256) for value in colorsys.hls_to_rgb((i * 0.618034) % 1.0, 0.55, 0.7)
]
STILL = 1e-6


def visible(clip: Clip) -> list[int]:
    """Bodies that are instances and seen at all, most pixels first."""
    pixels = np.bincount(derive.body_of_triangle(clip.surfaces, clip.triangle[clip.triangle >= 0]))
    facts = clip.meta.get("bodies", [])
    seen = [
        body
        for body in np.flatnonzero(pixels).tolist()
        if not (body < len(facts) and facts[body].get("role") in BACKGROUND)
    ]
    return sorted(seen, key=lambda body: -pixels[body])


def rest_boxes(surfaces: Surfaces) -> tuple[Float64[np.ndarray, "B 3"], Float64[np.ndarray, "B 3"]]:
    """Lowest and highest corners of the bodies at rest, each in its own frame."""
    spans = list(zip(surfaces.face_start[:-1], surfaces.face_start[1:], strict=True))
    of_body = [surfaces.vertices[surfaces.faces[start:end].ravel()].astype(np.float64) for start, end in spans]
    empty = np.zeros((1, 3))
    low = np.stack([points.min(axis=0) if len(points) else empty[0] for points in of_body])
    high = np.stack([points.max(axis=0) if len(points) else empty[0] for points in of_body])
    return low, high


def describe(clip: Clip, body: int) -> dict[str, Any]:
    """An entry of `instances`. What generation did not record is NaN, velocities come from differences of poses."""
    facts = clip.meta.get("bodies", [{}] * (body + 1))[body]
    poses = clip.surfaces.world_from_body[:, body]
    quaternions = np.roll(Rotation.from_matrix(poses[:, :3, :3]).as_quat(), 1, axis=1)
    linear, angular = velocities(clip, body)
    boxes, frames, pixels = image_boxes(clip, body)
    deforms = bool(_deforms(clip.surfaces, body).any())
    moves = deforms or not np.allclose(poses, poses[0], atol=STILL)
    return {
        "asset_id": str(facts.get("asset", facts.get("name", body))),
        "name": facts.get("name", str(body)),
        "licence": facts.get("licence", ""),
        "category": "None",
        "scale": 1.0,
        "is_dynamic": moves,
        "deforms": deforms,
        **{name: float(facts.get(name, np.nan)) for name in ("mass", "friction", "restitution")},
        "positions": poses[:, :3, 3],
        "quaternions": quaternions,
        "velocities": linear,
        "angular_velocities": angular,
        "bboxes_3d": boxes_3d(clip, body),
        "image_positions": image_positions(clip, poses[:, :3, 3]),
        "bboxes": boxes,
        "bbox_frames": frames,
        "visibility": pixels,
    }


def velocities(clip: Clip, body: int) -> tuple[Float64[np.ndarray, "T 3"], Float64[np.ndarray, "T 3"]]:
    """Metres and radians a second in the world, as simulated; else from the poses: central differences, one-sided at the ends."""
    if clip.physics is not None and np.isfinite(clip.physics.velocity[:, body]).all():
        return clip.physics.velocity[:, body].astype(np.float64), clip.physics.spin[:, body].astype(np.float64)
    poses, frame_rate = clip.surfaces.world_from_body[:, body], float(clip.meta.get("frame_rate", 12))
    linear = np.gradient(poses[:, :3, 3], axis=0) * frame_rate
    steps = Rotation.from_matrix(poses[1:, :3, :3] @ poses[:-1, :3, :3].swapaxes(1, 2)).as_rotvec() * frame_rate
    angular = np.concatenate([steps[:1], (steps[1:] + steps[:-1]) / 2, steps[-1:]])
    return linear, angular


def collisions(clip: Clip, instances: list[int]) -> list[dict[str, Any]]:
    """Entries of events.json; -1 for bodies that are no instances. Frames are those of the clip, from 0."""
    if clip.physics is None:
        return []
    contacts, number = clip.physics.contacts, {body: i for i, body in enumerate(instances)}
    size = np.array(clip.rgb.shape[2:0:-1])
    found = []
    for frame, bodies, position, normal, force in zip(
        contacts.frame, contacts.bodies, contacts.position, contacts.normal, contacts.force, strict=True
    ):
        camera = transform(invert(clip.cameras.world_from_camera[frame]), position.astype(np.float64))
        pixel = project(camera[None, None], clip.cameras.K[frame])[0, 0]
        found.append(
            {
                "instances": [number.get(int(body), -1) for body in bodies],
                "frame": int(frame),
                "force": float(force),
                "position": position,
                "contact_normal": normal,
                "image_position": pixel / size,
            }
        )
    return found


def boxes_3d(clip: Clip, body: int) -> Float64[np.ndarray, "T 8 3"]:
    """World corners of the box around a body in its own frame, x slowest and z fastest, as it is shaped at each time."""
    surfaces = clip.surfaces
    index = np.unique(surfaces.faces[surfaces.face_start[body] : surfaces.face_start[body + 1]])
    corners = []
    for time, pose in enumerate(surfaces.world_from_body[:, body]):
        points = derive.body_vertices(surfaces, time)[index]
        local = np.array(list(product(*zip(points.min(axis=0), points.max(axis=0), strict=True))))
        corners.append(transform(pose, local))
    return np.stack(corners)


def image_positions(clip: Clip, positions: Float64[np.ndarray, "T 3"]) -> Float64[np.ndarray, "T 2"]:
    """(x, y) of the origin of a body in units of the image; NaN behind the camera."""
    camera = transform(invert(clip.cameras.world_from_camera), positions)
    size = np.array(clip.rgb.shape[2:0:-1])
    return project(camera[:, None, None], clip.cameras.K)[:, 0, 0] / size


def image_boxes(clip: Clip, body: int) -> tuple[list[list[float]], list[int], list[int]]:
    """[ymin, xmin, ymax, xmax] around the seen pixels in units of the image, the frames of these, and pixels per frame."""
    start, end = clip.surfaces.face_start[body : body + 2]
    boxes, frames, pixels = [], [], []
    height, width = clip.rgb.shape[1:3]
    for frame, triangle in enumerate(clip.triangle):
        rows, columns = np.nonzero((triangle >= start) & (triangle < end))
        pixels.append(len(rows))
        if len(rows):
            frames.append(frame)
            boxes.append(
                [rows.min() / height, columns.min() / width, (rows.max() + 1) / height, (columns.max() + 1) / width]
            )
    return [[float(side) for side in box] for box in boxes], frames, pixels


def _deforms(surfaces: Surfaces, body: int) -> Bool[np.ndarray, " F"]:
    faces = surfaces.faces[surfaces.face_start[body] : surfaces.face_start[body + 1]]
    return np.isin(faces, surfaces.deforming).any(axis=1)
