"""Rigid bodies under gravity: Kubric's scene graph driving PyBullet.

Kubric simulates at 240 Hz and knows no rolling friction. Things at rest then tremble by some millimetres a frame, or rock
without end, and what lands is centimetres deep in the floor; so steps are four times as short here, and what rolls is slowed.

The only file that imports the simulator. PyBullet is a global of the process, so a simulation belongs into a worker.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64
from pyquaternion import Quaternion

from generation.contacts import Row, Touching, gather
from generation.convex import hulls, joined, write_obj
from generation.kubric_compat import PyBullet, kb
from generation.quaternions import matrices, unit
from generation.scene import Asset, Mesh
from vdpm.geometry import rigid

GRAVITY = (0.0, 0.0, -9.81)
STEP_RATE = 960
"""Hz."""
ROLLING = 0.015
"""Lever of the rolling friction of a thing, as a share of its size."""
AT_REST_FRAMES, AT_REST = 12, 0.001
"""What is at rest moves by less than this in so many frames, a second: metres, and parts of a quaternion."""
SETTLE_SECONDS = 4
"""Given to things by simulators that get them nearly at rest."""
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
        self.scratch, self.floor_half_width = scratch, floor_half_width
        self.scene = kb.Scene(
            frame_start=0, frame_end=frames - 1, frame_rate=frame_rate, step_rate=STEP_RATE, gravity=GRAVITY
        )
        self.simulator = PyBullet(self.scene, scratch_dir=str(scratch))
        self._client.setPhysicsEngineParameter(fixedTimeStep=1 / STEP_RATE)
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
        lever = ROLLING * float(np.ptp(asset.mesh.vertices, axis=0).max())
        number = body.linked_objects[self.simulator]
        self._client.changeDynamics(number, -1, rollingFriction=lever, spinningFriction=lever)
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
        """Let everything fall for a number of frames before the first, and go on until it is at rest, up to three times as
        long; what moves even then is stopped."""
        for _ in range(3):
            self._go(frames - AT_REST_FRAMES)
            if lies_still(lambda: self._go(AT_REST_FRAMES), self._poses):
                break
        for number in self._moving():
            self._client.resetBaseVelocity(number, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0))

    def is_off_floor(self, body: kb.FileBasedObject) -> bool:
        """Whether a body's centre of mass is now beyond the edge of the floor, or below it."""
        x, y, z = self._client.getBasePositionAndOrientation(body.linked_objects[self.simulator])[0]
        return max(abs(x), abs(y)) > self.floor_half_width or z < 0

    def run(self) -> Course:
        """Simulate the clip."""
        frames, rows = self.scene.frame_end + 1, []
        bodies = self._moving()
        poses: dict[int, list[Any]] = {number: [] for number in bodies}
        speeds: dict[int, list[Any]] = {number: [] for number in bodies}
        for step in range(frames * self._steps):
            if step:  # before the first, contacts are of the simulation before
                rows += self._contacts(step)
            for number in bodies if step % self._steps == 0 else ():
                poses[number].append(self._client.getBasePositionAndOrientation(number))
                speeds[number].append(self._client.getBaseVelocity(number))
            self._client.stepSimulation()
        return Course(
            paths={bodies[number].uid: _path(path) for number, path in poses.items()},
            velocities={bodies[number].uid: np.array(speed, np.float64) for number, speed in speeds.items()},
            touching=gather(rows, range(1, frames * self._steps), self._steps, frames),
        )

    @property
    def _client(self) -> Any:
        return self.simulator._physics_client

    @property
    def _steps(self) -> int:
        """Of a frame."""
        return STEP_RATE // self.scene.frame_rate

    def _go(self, frames: int) -> None:
        for _ in range(frames * self._steps):
            self._client.stepSimulation()

    def _poses(self) -> Float64[np.ndarray, "N 7"]:
        """Positions and quaternions of all that can move."""
        poses = [self._client.getBasePositionAndOrientation(number) for number in self._moving()]
        return np.array([position + turn for position, turn in poses], np.float64).reshape(-1, 7)

    def _moving(self) -> dict[int, kb.FileBasedObject]:
        """What can move, by its number in the simulator."""
        bodies = (body for body in self.scene.assets if isinstance(body, kb.FileBasedObject) and not body.static)
        return {body.linked_objects[self.simulator]: body for body in bodies}

    def _contacts(self, step: int) -> Iterator[Row]:
        """The contact points of the step that has been made. Those that part bear the force of a step before: Kubric has
        told the solver to pass over them."""
        names = {
            body.linked_objects[self.simulator]: self.names.get(body.uid) or str(body.uid) for body in self.scene.assets
        }
        for _, a, b, _, _, _, at, normal, distance, force, *_ in self._client.getContactPoints():
            if distance <= 0:
                yield Row(step=step, first=names[a], second=names[b], position=at, normal=normal, force=force)

    def close(self) -> None:
        """Give the simulator's memory back. Kubric's client would disconnect by number again when it is collected, and
        hit whoever has that number by then; -1 tells it that it is done."""
        self._client.disconnect()
        self._client._client = -1


def come_to_rest(second: Callable[[], None], places: Callable[[], Float64[np.ndarray, "N 7"]]) -> None:
    """Let a simulation go on second by second until nothing moves, for up to `SETTLE_SECONDS`."""
    for _ in range(SETTLE_SECONDS):
        if lies_still(second, places):
            return


def lies_still(go: Callable[[], None], places: Callable[[], Float64[np.ndarray, "N 7"]]) -> bool:
    """Whether nothing gets farther than `AT_REST` when a simulation goes on for a while."""
    before = places()
    go()
    return np.allclose(places(), before, rtol=0.0, atol=AT_REST)


def _path(poses: list[tuple[tuple[float, ...], tuple[float, ...]]]) -> Float64[np.ndarray, "T 4 4"]:
    """Rigid transforms of positions and quaternions (x, y, z, w)."""
    xyzw = np.array([turn for _, turn in poses])
    return rigid(matrices(unit(xyzw[:, [3, 0, 1, 2]])), np.array([position for position, _ in poses]))


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
