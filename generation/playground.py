"""Robots under physics: PyBullet at 240 Hz, with joints that follow their targets, on a floor among things.

Kubric's simulator has no joints, so this one speaks to PyBullet itself. PyBullet is a global of the process.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from jaxtyping import Float64

from generation.kubric_compat import RedirectStream
from generation.physics import GRAVITY, STEP_RATE
from generation.quaternions import matrices, unit
from generation.scene import Asset
from vdpm.geometry import invert, rigid

bullet_client: Any
pybullet: Any
import pybullet  # noqa: E402
from pybullet_utils import bullet_client  # noqa: E402

STRENGTH = 60.0
"""Most torque of a motor in Nm per kg of the robot and metre of its size."""
CLEARANCE = 0.005
Poses = Float64[np.ndarray, "T 4 4"]


@dataclass(frozen=True, kw_only=True)
class Joint:
    """A joint that moves."""

    index: int
    name: str
    lower: float
    upper: float
    """Limits, radians or metres; -inf and inf if it turns on and on."""


@dataclass(frozen=True, kw_only=True)
class Drive:
    """Where the joints of a robot are to be: centre + amplitude sin(2 pi hertz t + phase), one row per joint."""

    centre: Float64[np.ndarray, " J"]
    amplitude: Float64[np.ndarray, " J"]
    hertz: Float64[np.ndarray, " J"]
    phase: Float64[np.ndarray, " J"]
    rolling: np.ndarray
    """Whether that is a speed (radians a second) rather than a place: J bools."""

    def at(self, seconds: float) -> Float64[np.ndarray, " J"]:
        """The targets at a time."""
        return self.centre + self.amplitude * np.sin(2 * np.pi * self.hertz * seconds + self.phase)


class Playground:
    """A floor at z = 0, robots and things. Add, then `run`, then `close`."""

    def __init__(self) -> None:
        with RedirectStream(stream=sys.stdout):  # PyBullet says hello
            self.client = bullet_client.BulletClient(pybullet.DIRECT)
        self.client.setPhysicsEngineParameter(
            deterministicOverlappingPairs=1, fixedTimeStep=1 / STEP_RATE, numSolverIterations=100
        )
        self.client.setGravity(*GRAVITY)
        plane = self.client.createCollisionShape(pybullet.GEOM_PLANE)
        self.floor = self.client.createMultiBody(0, plane)
        self.client.changeDynamics(self.floor, -1, lateralFriction=1.0)
        self.drives: dict[int, tuple[tuple[Joint, ...], Drive, float]] = {}
        """Joints, their targets and the force of their motors, by robot."""

    def load(self, urdf: Path, size: float, fixed: bool) -> int:
        """Put a robot at the origin; all its lengths are multiplied by `size`. Returns its number."""
        with RedirectStream(stream=sys.stdout):  # and complains of links without mass
            flags = pybullet.URDF_USE_SELF_COLLISION if fixed else 0
            return self.client.loadURDF(str(urdf), useFixedBase=fixed, globalScaling=size, flags=flags)

    def joints(self, robot: int) -> tuple[Joint, ...]:
        """The joints of a robot that move."""
        rows = [self.client.getJointInfo(robot, number) for number in range(self.client.getNumJoints(robot))]
        return tuple(
            Joint(
                index=row[0],
                name=row[1].decode(),
                lower=row[8] if row[8] < row[9] else -np.inf,
                upper=row[9] if row[8] < row[9] else np.inf,
            )
            for row in rows
            if row[2] in (pybullet.JOINT_REVOLUTE, pybullet.JOINT_PRISMATIC)
        )

    def links(self, robot: int) -> dict[str, int]:
        """PyBullet's numbers of the links by name; -1 is the base."""
        names = [self.client.getJointInfo(robot, k)[12].decode() for k in range(self.client.getNumJoints(robot))]
        return {self.client.getBodyInfo(robot)[0].decode(): -1, **{name: k for k, name in enumerate(names)}}

    def pose(self, robot: int, drive: Drive, seconds: float) -> None:
        """Put the joints where a drive wants them at a time, at once."""
        for joint, angle, rolling in zip(self.joints(robot), drive.at(seconds), drive.rolling, strict=True):
            if not rolling:
                self.client.resetJointState(robot, joint.index, angle)

    def box(self, robot: int, first_link: int) -> Float64[np.ndarray, "2 3"]:
        """Lowest and highest corner of what collides of a robot, from a link on."""
        boxes = [self.client.getAABB(robot, k) for k in range(first_link, self.client.getNumJoints(robot))]
        return np.array([np.min([low for low, _ in boxes], axis=0), np.max([high for _, high in boxes], axis=0)])

    def place(self, robot: int, drive: Drive, start: float, x: float, y: float, turn: float) -> None:
        """Stand a robot on the floor, ready to be driven from a time on."""
        self.pose(robot, drive, start)
        self.drives[robot] = (self.joints(robot), drive, self._force(robot))
        mount = self.client.getBasePositionAndOrientation(robot)[0]
        flat = self.client.getQuaternionFromEuler((0.0, 0.0, turn))
        self.client.resetBasePositionAndOrientation(robot, mount, flat)
        lift = CLEARANCE - self.box(robot, -1)[0, 2]
        self.client.resetBasePositionAndOrientation(robot, (x, y, mount[2] + lift), flat)

    def drop(self, asset: Asset, density: float, x: float, y: float, quaternion: tuple[float, ...]) -> int:
        """Let a thing fall from just above the floor; it collides as its convex hull. `quaternion` is x, y, z, w."""
        hull = trimesh.Trimesh(asset.mesh.vertices, asset.mesh.faces, process=False).convex_hull
        shape = self.client.createCollisionShape(pybullet.GEOM_MESH, vertices=hull.vertices.tolist())
        thing = self.client.createMultiBody(density * float(hull.volume), shape)
        self.client.resetBasePositionAndOrientation(thing, (x, y, 0.0), quaternion)
        low = self.client.getAABB(thing)[0][2]
        self.client.resetBasePositionAndOrientation(thing, (x, y, 2 * CLEARANCE - low), quaternion)
        return thing

    def run(self, start: float, frames: int, frame_rate: int) -> dict[tuple[int, int], Poses]:
        """Simulate from a time before 0 to the last frame; world_from_link by body and link (-1 = base)."""
        steps, path = STEP_RATE // frame_rate, []
        for step in range(round(start * STEP_RATE), steps * (frames - 1) + 1):
            if step >= 0 and step % steps == 0:
                path.append(self.poses())
            self._drive(step / STEP_RATE)
            self.client.stepSimulation()
        return {key: np.stack([poses[key] for poses in path]) for key in path[0]}

    def poses(self) -> dict[tuple[int, int], Float64[np.ndarray, "4 4"]]:
        """world_from_link of everything now, by body and link."""
        poses = {}
        for number in range(self.client.getNumBodies()):
            body = self.client.getBodyUniqueId(number)
            inertial = _matrix(*self.client.getDynamicsInfo(body, -1)[3:5])
            poses[body, -1] = _matrix(*self.client.getBasePositionAndOrientation(body)) @ invert(inertial)
            for link in range(self.client.getNumJoints(body)):
                poses[body, link] = _matrix(*self.client.getLinkState(body, link, computeForwardKinematics=True)[4:6])
        return poses

    def angles(self, robot: int) -> Float64[np.ndarray, " J"]:
        """Where the joints are now."""
        return np.array([self.client.getJointState(robot, joint.index)[0] for joint in self.joints(robot)])

    def close(self) -> None:
        """Give the memory back, and tell the client so: it would disconnect by number again when it is collected."""
        self.client.disconnect()
        self.client._client = -1

    def _drive(self, seconds: float) -> None:
        for robot, (joints, drive, force) in self.drives.items():
            for joint, target, rolling in zip(joints, drive.at(seconds), drive.rolling, strict=True):
                mode = pybullet.VELOCITY_CONTROL if rolling else pybullet.POSITION_CONTROL
                goal = {"targetVelocity": target} if rolling else {"targetPosition": target}
                self.client.setJointMotorControl2(robot, joint.index, mode, force=force, **goal)

    def _force(self, robot: int) -> float:
        low, high = self.box(robot, -1)
        mass = sum(self.client.getDynamicsInfo(robot, k)[0] for k in range(-1, self.client.getNumJoints(robot)))
        return STRENGTH * mass * float(np.linalg.norm(high - low))


def _matrix(position: tuple[float, ...], xyzw: tuple[float, ...]) -> Float64[np.ndarray, "4 4"]:
    return rigid(matrices(unit(np.array(xyzw)[[3, 0, 1, 2]])), np.array(position))
