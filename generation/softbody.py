"""Cloth and soft bodies among rigid ones: PyBullet's deformable world, which only this file calls.

Rigid things are dynamic, so what falls on them can push them. PyBullet is a global of the process, so a world belongs
into a worker; the same calls in the same order give the same numbers.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64
from scipy.spatial.transform import Rotation

from generation.contacts import Row, Touching, gather
from generation.convex import hulls, write_obj
from generation.kubric_compat import RedirectStream
from generation.physics import FLOOR, GRAVITY, ROLLING, come_to_rest
from generation.scene import Asset
from generation.softshapes import Faces, Tetrahedra, Vertices, stretch, volumes
from vdpm.geometry import rigid

pybullet: Any
import pybullet  # noqa: E402  (after Kubric, which silences its greeting)

SPRING_RATE = 1e5
"""Stiffness of a cloth's springs over the mass of its vertices, 1/s2: what decides about stability."""
CLOTH_STEP_RATE, JELLY_STEP_RATE = 480, 360
"""Hz. Springs of `SPRING_RATE` are stable from the first on."""
CLOTH_MARGIN, JELLY_MARGIN = 0.01, 0.018
"""Distance that soft things keep from others, metres; a jelly dives into it when it lands."""
FRICTION = 0.5
CLOTH_STRETCH = 1.5
"""An edge longer than this share of its length at rest: the solver has come apart, or the cloth is caught."""
VOLUME_STRETCH, VOLUME_CHANGE = 3.0, 0.35
DEEPEST, FARTHEST = -0.02, 15.0
"""Lowest height that a soft thing may reach, and how far from the middle it may get, metres."""


@dataclass(frozen=True, kw_only=True)
class Cloth:
    """A sheet of springs: along its edges against stretching, across them against bending."""

    vertices: Vertices
    faces: Faces
    mass: float
    """kg."""
    stiffness: float
    """Of each spring, N/m."""
    bending: float
    damping: float


@dataclass(frozen=True, kw_only=True)
class Jelly:
    """A body of Neo-Hookean finite elements."""

    vertices: Vertices
    tetrahedra: Tetrahedra
    mass: float
    """kg."""
    shear: float
    """Modulus mu, Pa; Lame's first parameter is twice that, a Poisson ratio of 1/3."""
    damping: float


Soft = Cloth | Jelly
Path4 = Float64[np.ndarray, "T 4 4"]
Motion = Float64[np.ndarray, "T V 3"]


@dataclass(frozen=True, kw_only=True)
class Course:
    """Where everything went, in the order in which it was added."""

    paths: list[Path4]
    """world_from_body of the rigid things."""
    velocities: list[Float64[np.ndarray, "T 2 3"]]
    """Theirs: linear (m/s) and angular (rad/s), world."""
    motions: list[Motion]
    """Vertices of the soft things, world."""
    touching: Touching
    """Rigid things only."""


class SoftWorld:
    """A floor at z = 0 and what is added to it. `run` says where everything went; `close` must come last."""

    def __init__(self, scratch: Path):
        """`scratch` is an existing folder for the files that PyBullet reads."""
        self.scratch = scratch
        self.rigid: list[int] = []
        self.soft: list[tuple[int, Soft]] = []
        with RedirectStream(stream=sys.stdout):
            self.client = pybullet.connect(pybullet.DIRECT)
            self._call("resetSimulation", pybullet.RESET_USE_DEFORMABLE_WORLD)
        self._call("setPhysicsEngineParameter", deterministicOverlappingPairs=True)
        self._call("setGravity", *GRAVITY)
        floor = self._call("createCollisionShape", pybullet.GEOM_BOX, halfExtents=[50.0, 50.0, 0.5])
        number = self._call("createMultiBody", 0.0, floor, basePosition=[0.0, 0.0, -0.5])
        self._call("changeDynamics", number, -1, lateralFriction=FRICTION)
        self.names = {number: FLOOR}
        """Of rigid bodies, by their numbers."""

    def add_rigid(self, asset: Asset, mass: float, world_from_body: Float64[np.ndarray, "4 4"], name: str) -> None:
        """Put a rigid thing somewhere; it collides as its convex pieces, or as its hull if it has none."""
        number = self._call(
            "createMultiBody",
            mass,
            self._collision(asset),
            basePosition=world_from_body[:3, 3].tolist(),
            baseOrientation=Rotation.from_matrix(world_from_body[:3, :3]).as_quat().tolist(),
        )
        lever = ROLLING * float(np.ptp(asset.mesh.vertices, axis=0).max())
        rolling = {"rollingFriction": lever, "spinningFriction": lever}
        self._call("changeDynamics", number, -1, lateralFriction=FRICTION, restitution=0.0, **rolling)
        self.rigid.append(number)
        self.names[number] = name

    def settle(self) -> list[Float64[np.ndarray, "4 4"]]:
        """Let the rigid things come to rest in this world, before there are soft ones: world_from_body then."""
        self._call("setTimeStep", 1 / CLOTH_STEP_RATE)

        def second() -> None:
            for _ in range(CLOTH_STEP_RATE):
                self._call("stepSimulation")

        come_to_rest(second, self._places)
        for number in self.rigid:
            self._call("resetBaseVelocity", number, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
        return [self._pose(number) for number in self.rigid]

    def add_soft(self, thing: Soft, velocity: Float64[np.ndarray, " 3"]) -> None:
        """Put a soft thing where its vertices are, in the world, with a velocity (m/s)."""
        path = self.scratch / f"soft_{len(self.soft):03d}"
        with RedirectStream(stream=sys.stdout):
            number = self._load_cloth(thing, path) if isinstance(thing, Cloth) else self._load_jelly(thing, path)
        self._call("resetBaseVelocity", number, velocity.tolist())
        self.soft.append((number, thing))

    def run(self, frames: int, frame_rate: int) -> Course:
        """Where everything is at each frame, the first of which is now.

        Raises:
            RuntimeError: a soft thing came apart.
        """
        rate = CLOTH_STEP_RATE if any(isinstance(thing, Cloth) for _, thing in self.soft) else JELLY_STEP_RATE
        self._call("setTimeStep", 1 / rate)
        rigid_paths: list[list[np.ndarray]] = [[] for _ in self.rigid]
        speeds: list[list[np.ndarray]] = [[] for _ in self.rigid]
        soft_paths: list[list[np.ndarray]] = [[] for _ in self.soft]
        rows, steps = [], rate // frame_rate
        for frame in range(frames):
            for step in range((frame - 1) * steps, frame * steps) if frame else ():
                self._call("stepSimulation")
                rows += self._contacts(step + 1)
            for path, speed, number in zip(rigid_paths, speeds, self.rigid, strict=True):
                path.append(self._pose(number))
                speed.append(np.array(self._call("getBaseVelocity", number)))
            for path, (number, thing) in zip(soft_paths, self.soft, strict=True):
                path.append(self._vertices(number))
                check(thing, path[-1])
        return Course(
            paths=[np.stack(path) for path in rigid_paths],
            velocities=[np.stack(speed) for speed in speeds],
            motions=[np.stack(path) for path in soft_paths],
            touching=gather(rows, range(1, (frames - 1) * steps + 1), steps, frames),
        )

    def close(self) -> None:
        """Give the simulator's memory back."""
        self._call("disconnect")

    def _call(self, function: str, *arguments: Any, **options: Any) -> Any:
        return getattr(pybullet, function)(*arguments, **options, physicsClientId=self.client)

    def _collision(self, asset: Asset) -> int:
        size = np.ptp(asset.mesh.vertices, axis=0).astype(float)
        if asset.collision == "sphere":
            return self._call("createCollisionShape", pybullet.GEOM_SPHERE, radius=size[0] / 2)
        if asset.collision == "box":
            return self._call("createCollisionShape", pybullet.GEOM_BOX, halfExtents=(size / 2).tolist())
        path = self.scratch / f"hull_{len(self.rigid):03d}.obj"
        write_obj(path, hulls(asset))
        return self._call("createCollisionShape", pybullet.GEOM_MESH, fileName=str(path))

    def _load_cloth(self, cloth: Cloth, path: Path) -> int:
        path.with_suffix(".obj").write_text(obj(cloth.vertices, cloth.faces))
        return self._call(
            "loadSoftBody",
            str(path.with_suffix(".obj")),
            mass=cloth.mass,
            useMassSpring=1,
            useBendingSprings=1,
            springElasticStiffness=cloth.stiffness,
            springBendingStiffness=cloth.bending,
            springDampingStiffness=cloth.damping,
            springDampingAllDirections=0,  # along the springs only: else the air is honey
            frictionCoeff=FRICTION,
            useFaceContact=1,
            collisionMargin=CLOTH_MARGIN,
        )

    def _load_jelly(self, jelly: Jelly, path: Path) -> int:
        path.with_suffix(".vtk").write_text(vtk(jelly.vertices, jelly.tetrahedra))
        return self._call(
            "loadSoftBody",
            str(path.with_suffix(".vtk")),
            mass=jelly.mass,
            useNeoHookean=1,
            NeoHookeanMu=jelly.shear,
            NeoHookeanLambda=2 * jelly.shear,
            NeoHookeanDamping=jelly.damping,
            frictionCoeff=FRICTION,
            useFaceContact=1,
            collisionMargin=JELLY_MARGIN,
        )

    def _contacts(self, step: int) -> Iterator[Row]:
        """The contact points of the step that has been made, between rigid things: Bullet tells none of soft ones."""
        for _, a, b, _, _, _, at, normal, _, force, *_ in self._call("getContactPoints"):
            first, second = (self.names.get(number, "") for number in (a, b))
            yield Row(step=step, first=first, second=second, position=at, normal=normal, force=force)

    def _pose(self, number: int) -> Float64[np.ndarray, "4 4"]:
        position, xyzw = self._call("getBasePositionAndOrientation", number)
        return rigid(Rotation.from_quat(xyzw).as_matrix(), np.array(position))

    def _places(self) -> Float64[np.ndarray, "N 7"]:
        """Positions and quaternions of the rigid things."""
        places = [self._call("getBasePositionAndOrientation", number) for number in self.rigid]
        return np.array([position + turn for position, turn in places], np.float64).reshape(-1, 7)

    def _vertices(self, number: int) -> Vertices:
        _, vertices = self._call("getMeshData", number, -1, flags=pybullet.MESH_DATA_SIMULATION_MESH)
        return np.array(vertices)


def check(thing: Soft, now: Vertices) -> None:
    """Raise RuntimeError if the vertices of a soft thing are where no sound simulation takes them."""
    if not np.isfinite(now).all() or np.abs(now).max() > FARTHEST:
        raise RuntimeError("a soft thing is out of sight: the solver exploded")
    if now[:, 2].min() < DEEPEST:
        raise RuntimeError(f"a soft thing reaches {-now[:, 2].min():.3f} m below the floor")
    cells, most = (thing.faces, CLOTH_STRETCH) if isinstance(thing, Cloth) else (thing.tetrahedra, VOLUME_STRETCH)
    longest = stretch(now[None], thing.vertices, cells).max()
    if longest > most:
        raise RuntimeError(f"an edge of a soft thing is stretched to {longest:.2f} of its length, more than {most}")
    if isinstance(thing, Jelly):
        share = volumes(now, cells).sum() / volumes(thing.vertices, cells).sum()
        if abs(share - 1) > VOLUME_CHANGE:
            raise RuntimeError(f"a soft body has {share:.2f} of its volume")


def strain(thing: Soft, motion: Motion) -> dict[str, float]:
    """How much a soft thing is deformed over a clip: edge lengths and volume as shares of those at rest."""
    cells = thing.faces if isinstance(thing, Cloth) else thing.tetrahedra
    lengths = stretch(motion, thing.vertices, cells)
    facts = {"stretch_max": float(lengths.max()), "stretch_mean": float(np.abs(lengths - 1).mean())}
    if isinstance(thing, Jelly):
        share = volumes(motion, cells).sum(axis=1) / volumes(thing.vertices, cells).sum()
        facts |= {"volume_min": float(share.min()), "volume_max": float(share.max())}
    return facts


def obj(vertices: Vertices, faces: Faces) -> str:
    """A triangle mesh as a Wavefront file."""
    lines = [f"v {x!r} {y!r} {z!r}" for x, y, z in vertices.tolist()]
    return "\n".join([*lines, *(f"f {a} {b} {c}" for a, b, c in (faces + 1).tolist()), ""])


def vtk(vertices: Vertices, tetrahedra: Tetrahedra) -> str:
    """A tetrahedral mesh as a legacy VTK file, as Bullet reads it."""
    head = ["# vtk DataFile Version 2.0", "body", "ASCII", "DATASET UNSTRUCTURED_GRID"]
    points = [f"POINTS {len(vertices)} double", *(f"{x!r} {y!r} {z!r}" for x, y, z in vertices.tolist()), ""]
    count = len(tetrahedra)
    cells = [f"CELLS {count} {5 * count}", *(f"4 {a} {b} {c} {d}" for a, b, c, d in tetrahedra.tolist()), ""]
    return "\n".join([*head, *points, *cells, f"CELL_TYPES {count}", *["10"] * count, ""])
