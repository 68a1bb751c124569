"""The records that every part of the project speaks, and the conventions they obey.

This is the one place where the conventions stand; everything else links here.

Letters   T frames or times, H x W pixels, S source frames, V vertices, F triangles, B bodies,
          D vertices that deform, N contacts, J joints.
World     right-handed, +z up, metres, seconds, radians, kilograms.
Camera    OpenCV axes: +x right, +y down, +z forward.
Pixels    (u, v) = (column, row). (0, 0) is the top-left *corner* of the image, so the first pixel centre is
          (0.5, 0.5) and K scales linearly when an image is resized: x = K [X/Z, Y/Z, 1].
Depth     z in the camera frame, never the distance along the ray.
Frames    are in the names: `world_from_camera @ camera_from_body = world_from_body`.
Unknown   is NaN in floating point maps and -1 in index maps. It is never 0.
Flow      of frame i to j is x(j) - x(i), in pixels, (du, dv).
Colour    8-bit sRGB.
Points    P_i(t_j, pi_k): for each pixel of frame i, where its surface point is at time t_j, in the frame of camera k.
"""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int32, UInt8


class Seen(IntEnum):
    """Whether a point of one frame is seen at a time, and why not."""

    NOTHING = 0
    """The pixel has no point: sky, or nothing that was followed."""
    VISIBLE = 1
    OTHER = 2
    """Hidden by another body; in recordings by whatever it is."""
    ITSELF = 3
    """Hidden by its own body."""
    OUTSIDE = 4
    """In front of the camera but out of the frame."""
    BEHIND = 5
    """Behind the camera."""


@dataclass(frozen=True, kw_only=True)
class Cameras:
    """One pinhole camera per frame."""

    K: Float64[np.ndarray, "T 3 3"]
    """Intrinsics in pixels, corner origin."""
    world_from_camera: Float64[np.ndarray, "T 4 4"]
    """Rigid poses."""


@dataclass(frozen=True, kw_only=True)
class Surfaces:
    """The triangle meshes of a clip and how they move: the cause of which all geometric truth is the effect.

    The triangles of body b are `faces[face_start[b]:face_start[b + 1]]`.
    """

    vertices: Float32[np.ndarray, "V 3"]
    """At rest: metres, in the frame of the body that the vertex belongs to."""
    faces: Int32[np.ndarray, "F 3"]
    """Vertex indices, counter-clockwise seen from outside."""
    face_start: Int32[np.ndarray, " B_plus_1"]
    world_from_body: Float64[np.ndarray, "T B 4 4"]
    """Rigid poses."""
    deforming: Int32[np.ndarray, " D"]
    """Indices of the vertices whose place in their body changes; none in a rigid clip."""
    shapes: Float32[np.ndarray, "T D 3"]
    """Where these are in the frame of their body, metres."""


@dataclass(frozen=True, kw_only=True)
class Contacts:
    """Who pushed whom: one row for each pair of bodies and each frame at which they touched.

    All is of the time around the frame, from half a frame before to half a frame after: position and direction are means
    weighted by force, the force is the mean over that time, so that force times 1 / frame rate is the impulse.
    """

    frame: Int32[np.ndarray, " N"]
    bodies: Int32[np.ndarray, "N 2"]
    """First and second body, the lower number first."""
    position: Float32[np.ndarray, "N 3"]
    """World, metres."""
    normal: Float32[np.ndarray, "N 3"]
    """World, unit: where the second body pushes the first."""
    force: Float32[np.ndarray, " N"]
    """Mean normal force, newtons. Friction is not part of it; what a simulator adds to part overlapping bodies is."""
    peak: Float32[np.ndarray, " N"]
    """Normal force in the simulator's step that had most of it, newtons."""


@dataclass(frozen=True, kw_only=True)
class Physics:
    """What a simulator or a skeleton knows and the meshes do not tell. Names and limits of joints are in `meta["joints"]`."""

    velocity: Float32[np.ndarray, "T B 3"]
    """Of the origin of each body in the world, m/s, at the instant of the frame; NaN where nothing was simulated."""
    spin: Float32[np.ndarray, "T B 3"]
    """Angular velocity in the world, rad/s; NaN likewise."""
    contacts: Contacts
    joint_position: Float32[np.ndarray, "T J"]
    """Radians, or metres of a joint that slides; NaN of a joint with more than one degree of freedom."""
    joint_place: Float32[np.ndarray, "T J 3"]
    """Where each joint is in the world, metres."""


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A rendered clip: what generation writes, training samples and the benchmark scores."""

    name: str
    """family-seed-index, unique and without dots."""
    rgb: UInt8[np.ndarray, "T H W 3"]
    triangle: Int32[np.ndarray, "T H W"]
    """Index into `surfaces.faces` of what the ray through each pixel centre hits first; -1 where it hits nothing."""
    cameras: Cameras
    surfaces: Surfaces
    meta: dict[str, Any] = field(default_factory=dict)
    """Provenance and per-body facts as plain JSON: seed, versions, licences, masses, names."""
    physics: Physics | None = None
    """None if the clip does not say, as clips made before there was such a member."""


@dataclass(frozen=True, kw_only=True)
class Video:
    """All that a method may see of a clip."""

    rgb: UInt8[np.ndarray, "T H W 3"]
    sources: tuple[int, ...]
    """Frames whose every pixel has to be carried to all T times; empty when only depth and cameras are asked for."""


@dataclass(frozen=True, kw_only=True)
class Truth:
    """The answers to a `Video`, in plain arrays. Reference view = the first frame of the video."""

    K: Float64[np.ndarray, "T 3 3"]
    world_from_camera: Float64[np.ndarray, "T 4 4"]
    depth: Float32[np.ndarray, "T H W"]
    points: Float32[np.ndarray, "S T H W 3"]
    """points[s, j] = P_{sources[s]}(t_j, pi_0)."""
    sources: tuple[int, ...]
    seen: UInt8[np.ndarray, "S T H W"] | None = None
    """`Seen` of each of these points from the camera of its time; None when nobody asked."""


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What a method answers. None = not claimed, which scores a blank, never a number.

    Conventions as in `Truth`; scale and world frame are free, the protocol aligns.
    """

    K: Float64[np.ndarray, "T 3 3"] | None = None
    world_from_camera: Float64[np.ndarray, "T 4 4"] | None = None
    depth: Float32[np.ndarray, "T H W"] | None = None
    points: Float32[np.ndarray, "S T H W 3"] | None = None
    visible: Bool[np.ndarray, "S T H W"] | None = None
    """Whether each of `points` is seen by the camera of its time."""
    note: str = ""
    """Why what is not claimed is not, for the rows that stay blank."""
