"""Rigid bodies under gravity: Kubric's scene graph driving PyBullet at 240 Hz.

The only file that imports the simulator. PyBullet is a global of the process, so a simulation belongs into a worker.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64
from pyquaternion import Quaternion

from generation.contacts import Row, Touching, gather
from generation.convex import hulls, joined, write_obj
from generation.kubric_compat import PyBullet, kb
from generation.scene import Asset, Mesh
from vdpm.geometry import rigid

GRAVITY = (0.0, 0.0, -9.81)
STEP_RATE = 240
Region = tuple[tuple[float, float, float], tuple[float, float, float]]
"""Lowest and highest corner, metres."""
FLOOR = "floor"
FLOOR_THICKNESS = 1.0

_URDF = """<robot name="{name}"><link name="base">
<inertial><origin xyz="0 0 0"/><mass value="{mass!r}"/>
<inertia ixx="{i[0][0]!r}" ixy="{i[0][1]!r}" ixz="{i[0][2]!r}" iyy="{i[1][1]!r}" iyz="{i[1][2]!r}" izz="{i[2][2]!r}"/>
</inertial><collision><geometry>{collision}</geometry></collision></link></robot>
"""


@dataclass(frozen=True, kw_only=True)
class Course:
    """Where the bodies of a simulation went, by the uid of their Kubric objects, and who pushed whom."""

    paths: dict[str, Float64[np.ndarray, "T 4 4"]]
    """world_from_body."""
    velocities: dict[str, Float64[np.ndarray, "T 2 3"]]
    """Linear (m/s) and angular (rad/s), world."""
    touching: Touching
    """By the names that `Simulation.names` has for the uids."""


class Simulation:
    """A floor at z = 0 and the bodies added to it. Bodies are Kubric objects; `run` returns where they went."""

    def __init__(self, scratch: Path, frames: int, frame_rate: int, floor_half_width: float):
        """`scratch` is an existing folder for the files that PyBullet reads."""
        self.scratch = scratch
        self.scene = kb.Scene(
            frame_start=0, frame_end=frames - 1, frame_rate=frame_rate, step_rate=STEP_RATE, gravity=GRAVITY
        )
        self.simulator = PyBullet(self.scene, scratch_dir=str(scratch))
        half = (floor_half_width, floor_half_width, FLOOR_THICKNESS / 2)
        floor = kb.Cube(scale=half, position=(0, 0, -FLOOR_THICKNESS / 2), static=True, background=True)
        self.scene.add(floor)
        floor.friction, floor.restitution = 1.0, 0.0
        self.names: dict[str, str] = {floor.uid: FLOOR}
        """What the bodies of the scene are called, by the uid of their Kubric objects."""

    def add(self, asset: Asset, density: float) -> kb.FileBasedObject:
        """Put a body of a density (kg/m3) into the simulation, at the origin until it is moved."""
        number = len(self.scene.assets)
        urdf, mass = _write_urdf(self.scratch / f"body_{number:03d}", asset, density)
        low, high = asset.mesh.vertices.min(axis=0), asset.mesh.vertices.max(axis=0)
        body = kb.FileBasedObject(
            asset_id=asset.id,
            simulation_filename=str(urdf),
            render_filename=None,
            bounds=(tuple(low.tolist()), tuple(high.tolist())),
            mass=mass,
        )
        self.scene.add(body)
        return body

    def add_static(self, asset: Asset, world_from_body: Float64[np.ndarray, "4 4"], name: str) -> None:
        """Put something that never moves into the simulation."""
        urdf, _ = _write_urdf(self.scratch / f"body_{len(self.scene.assets):03d}", asset, density=1.0)
        body = kb.FileBasedObject(simulation_filename=str(urdf), render_filename=None, static=True)
        self.scene.add(body)
        body.position = world_from_body[:3, 3]
        body.quaternion = tuple(Quaternion(matrix=world_from_body[:3, :3]).elements)
        body.friction, body.restitution = 0.8, 0.2
        self.names[body.uid] = name

    def place(self, body: kb.FileBasedObject, region: Region, rng: np.random.Generator) -> None:
        """Turn a body at random and move it into a box-shaped region where it touches nothing.

        Raises:
            RuntimeError: 100 tries found no free place.
        """

        draws: Any = rng  # Kubric is annotated for the older RandomState and calls what both have

        def position(thing: kb.FileBasedObject, rng: np.random.Generator) -> None:
            thing.position = (0.0, 0.0, 0.0)
            ends = np.array(region) - thing.aabbox
            thing.position = rng.uniform(ends.min(axis=0), ends.max(axis=0))  # a thing may be larger than the region

        kb.resample_while(body, [kb.rotation_sampler(), position], self.simulator.check_overlap, rng=draws)

    def settle(self, frames: int) -> None:
        """Let everything fall and come to rest for a while before the first frame."""
        self.simulator.run(frame_start=-frames, frame_end=0)

    def run(self) -> Course:
        """Simulate the clip."""
        animation, collisions = self.simulator.run(frame_start=0, frame_end=self.scene.frame_end)
        steps, frames = STEP_RATE // self.scene.frame_rate, self.scene.frame_end + 1
        rows = [
            Row(
                step=round(row["frame"] * steps),
                first=self._name(row["instances"][1]),
                second=self._name(row["instances"][0]),
                position=row["position"],
                normal=row["contact_normal"],
                force=row["force"],
            )
            for row in collisions
            if row["frame"] > 0  # before the first step these are of the simulation before
        ]
        return Course(
            paths={
                body.uid: rigid(_rotations(path["quaternion"]), np.array(path["position"]))
                for body, path in animation.items()
            },
            velocities={
                body.uid: np.stack([path["velocity"], path["angular_velocity"]], axis=1).astype(np.float64)
                for body, path in animation.items()
            },
            touching=gather(rows, range(1, frames * steps), steps, frames),
        )

    def _name(self, body: kb.PhysicalObject) -> str:
        return self.names.get(body.uid, body.uid)

    def close(self) -> None:
        """Give the simulator's memory back. Kubric's client would disconnect by number again when it is collected, and
        hit whoever has that number by then; -1 tells it that it is done."""
        client = self.simulator._physics_client
        client.disconnect()
        client._client = -1


def _rotations(wxyz: list[tuple[float, float, float, float]]) -> Float64[np.ndarray, "T 3 3"]:
    """Rotation matrices of quaternions, normalised first so that they are rigid to the last bit that counts."""
    w, x, y, z = np.moveaxis(np.array(wxyz) / np.linalg.norm(wxyz, axis=-1, keepdims=True), -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.moveaxis(np.array(rows), -1, 0)


def _write_urdf(folder: Path, asset: Asset, density: float) -> tuple[Path, float]:
    """The asset as PyBullet reads it; it collides as its convex pieces, as its hull or, where exact, as a primitive."""
    folder.mkdir()
    solids = hulls(asset)
    write_obj(folder / "hull.obj", solids)
    solid = joined(solids)
    solid.density = density
    urdf = folder / "body.urdf"
    urdf.write_text(
        _URDF.format(
            name=folder.name,
            mass=float(solid.mass),
            i=solid.moment_inertia.tolist(),
            collision=_collision(asset.collision, asset.mesh),
        )
    )
    return urdf, float(solid.mass)


def _collision(kind: str, mesh: Mesh) -> str:
    size = np.ptp(mesh.vertices, axis=0).astype(float).tolist()
    if kind == "sphere":
        return f'<sphere radius="{size[0] / 2!r}"/>'
    if kind == "box":
        return f'<box size="{size[0]!r} {size[1]!r} {size[2]!r}"/>'
    return '<mesh filename="hull.obj"/>'
