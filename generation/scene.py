"""What a scene is, in numbers: no simulator, no renderer. Conventions: `vdpm.clip`."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float32, Float64, Int32

from generation.contacts import Touching, among
from vdpm.clip import Cameras, Physics, Surfaces

Rgb = tuple[float, float, float]
Pattern = Literal["plain", "noise", "marble", "wood", "checker", "stripes", "cells", "weave", "tiles", "image", "glass"]


@dataclass(frozen=True, kw_only=True)
class Mesh:
    """A triangle mesh in its own frame, whose origin is the centre of mass."""

    vertices: Float32[np.ndarray, "V 3"]
    """Metres."""
    faces: Int32[np.ndarray, "F 3"]
    """Counter-clockwise seen from outside."""
    uv: Float32[np.ndarray, "V 2"] | None = None
    smooth: bool = True
    """Whether shading interpolates normals across gentle edges; geometry is flat triangles either way."""


@dataclass(frozen=True, kw_only=True)
class Material:
    """A procedural surface: a pattern in object coordinates that drives colour, roughness and relief."""

    pattern: Pattern
    colours: tuple[Rgb, ...]
    """Linear RGB, two or three, that the pattern runs through."""
    size: float
    """Metres of one repeat of the pattern."""
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)
    roughness: float = 0.5
    metallic: float = 0.0
    relief: float = 0.0
    """Strength of the bump that follows the pattern, 0 to 1. Shading only: it does not move the surface."""
    image: Path | None = None
    """Texture file of the pattern "image", mapped by the mesh's uv."""


@dataclass(frozen=True, kw_only=True)
class Asset:
    """A shape with the facts that have to travel with it."""

    id: str
    mesh: Mesh
    licence: str
    scale: float = 1.0
    """Factor on the size of the model that bears the id."""
    collision: Literal["hull", "sphere", "box"] = "hull"
    pieces: tuple[Float32[np.ndarray, "_ 3"], ...] = ()
    """Corners of the convex pieces that collide, in the mesh's frame; without any it is the hull of the mesh."""
    texture: Path | None = None
    sha256: str = ""
    """Of the file that it comes from, if it comes from a library."""


@dataclass(frozen=True, kw_only=True)
class Joint:
    """Two links that move against each other, and how they do."""

    name: str
    kind: Literal["revolute", "prismatic", "ball"]
    place: Float64[np.ndarray, "T 3"]
    """Where it is in the world, metres."""
    position: Float64[np.ndarray, " T"] | None = None
    """Radians, or metres if it slides; None of a ball joint."""
    lower: float = -np.inf
    upper: float = np.inf
    """Limits, radians or metres; infinite if it turns on and on."""


@dataclass(frozen=True, kw_only=True)
class Body:
    """One thing and its path."""

    name: str
    asset: Asset
    material: Material
    world_from_body: Float64[np.ndarray, "T 4 4"]
    shapes: Float32[np.ndarray, "T V 3"] | None = None
    """Vertices in the body's frame at each time, if it is not rigid; the asset's mesh is then its shape at rest."""
    facts: dict[str, float | bool | str] = field(default_factory=dict)
    """What physics knows: mass in kg, friction, restitution, tossed or not."""
    group: str | None = None
    """The object that this is a part of, as a wheel is of a car; None of a body that is an object by itself."""
    velocity: Float64[np.ndarray, "T 2 3"] | None = None
    """Of its origin (m/s) and angular (rad/s), in the world, where a simulator knows; else the path has to tell."""
    joints: tuple[Joint, ...] = ()
    """Of the object, kept by one of its bodies."""


@dataclass(frozen=True, kw_only=True)
class Lamp:
    """A square panel that shines downwards."""

    position: tuple[float, float, float]
    size: float
    """Metres."""
    watts: float


@dataclass(frozen=True, kw_only=True)
class Light:
    """An environment map, turned about z and scaled, and optionally a sun and lamps."""

    hdri: Path
    turn_radians: float
    irradiance: float
    """Of an upward-facing surface under the environment alone, in the units of a sun's strength (W/m2)."""
    sun_strength: float
    sun_direction: tuple[float, float, float]
    """Unit vector from the scene to the sun."""
    lamps: tuple[Lamp, ...] = ()
    licence: str = ""
    """Of the environment map."""


@dataclass(frozen=True, kw_only=True)
class Optics:
    """What a real lens and shutter do to the images. Ground truth knows nothing of it: it holds at mid-shutter."""

    shutter: float = 0.0
    """Share of the time between two frames for which the shutter is open, centred on the frame; 0 = an instant."""
    f_stop: float | None = None
    """Focal length over aperture of a lens for 36 mm of sensor; None = a pinhole."""
    focus: Float64[np.ndarray, " T"] | None = None
    """z-depth of what is sharp, metres; needed with an aperture."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Everything that a clip is rendered from."""

    family: str
    bodies: tuple[Body, ...]
    cameras: Cameras
    light: Light
    resolution: tuple[int, int]
    """(width, height) in pixels."""
    frame_rate: int
    """Hz."""
    still: bool = False
    """Whether nothing but the camera moves, by the family's law."""
    optics: Optics = Optics()
    touching: Touching = Touching()
    """Who pushed whom, as far as it was simulated; by the names of bodies."""


def surfaces(scene: Scene) -> Surfaces:
    """The meshes of a scene joined into one list of triangles, in the order of the bodies."""
    meshes = [body.asset.mesh for body in scene.bodies]
    vertex_start = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)])
    face_start = np.cumsum([0, *(len(mesh.faces) for mesh in meshes)])
    soft = [
        (start, body.shapes) for start, body in zip(vertex_start, scene.bodies, strict=False) if body.shapes is not None
    ]
    none = np.zeros((len(scene.cameras.K), 0, 3), np.float32)
    return Surfaces(
        vertices=np.concatenate([mesh.vertices for mesh in meshes]),
        faces=np.concatenate([mesh.faces + start for mesh, start in zip(meshes, vertex_start, strict=False)]).astype(
            np.int32
        ),
        face_start=face_start.astype(np.int32),
        world_from_body=np.stack([body.world_from_body for body in scene.bodies], axis=1),
        deforming=np.concatenate([np.zeros(0), *(start + np.arange(s.shape[1]) for start, s in soft)]).astype(np.int32),
        shapes=np.concatenate([none, *(shapes for _, shapes in soft)], axis=1),
    )


def physics(scene: Scene) -> Physics:
    """What the simulator knew of a scene's bodies."""
    frames = len(scene.cameras.K)
    unknown = np.full((frames, 2, 3), np.nan)
    motion = np.stack([unknown if body.velocity is None else body.velocity for body in scene.bodies], axis=1)
    joints = [joint for body in scene.bodies for joint in body.joints]
    position = [np.full(frames, np.nan) if joint.position is None else joint.position for joint in joints]
    return Physics(
        velocity=motion[:, :, 0].astype(np.float32),
        spin=motion[:, :, 1].astype(np.float32),
        contacts=among(scene.touching, [body.name for body in scene.bodies]),
        joint_position=np.array(position, np.float32).reshape(len(joints), frames).T,
        joint_place=np.array([joint.place for joint in joints], np.float32).reshape(-1, frames, 3).swapaxes(0, 1),
    )
