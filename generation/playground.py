"""Robots under physics: PyBullet at 480 Hz, with joints that follow their targets, on a floor among things.

Kubric's simulator has no joints, so this one speaks to PyBullet itself. PyBullet is a global of the process.
"""

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from generation.contacts import Row
from generation.convex import hulls, write_obj
from generation.kubric_compat import RedirectStream
from generation.physics import GRAVITY, ROLLING, come_to_rest
from generation.quaternions import matrices, unit
from generation.scene import Asset
from vdpm.geometry import invert, rigid

bullet_client: Any
pybullet: Any
import pybullet  # noqa: E402
from pybullet_utils import bullet_client  # noqa: E402

STEP_RATE = 480
STRENGTH = 60.0
"""Most torque of a motor in Nm per kg of the robot and metre of its size."""
STIFFNESS, DAMPING = 1e6, 2e3
"""Of the contacts of feet that are said to be soft, N/m and N s/m."""
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
    slides: bool = False
    """Whether it is prismatic, not revolute."""


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

    def held(self, seconds: float) -> "Drive":
        """The joints stay as they are at a time, and nothing rolls."""
        centre = np.where(self.rolling, 0.0, self.at(seconds))
        return replace(self, centre=centre, amplitude=np.zeros_like(centre))


Link = tuple[int, int]
"""Body and link of the simulation; link -1 is the base."""


@dataclass(frozen=True, kw_only=True)
class Course:
    """Where everything went."""

    paths: dict[Link, Poses]
    """world_from_link."""
    velocities: dict[Link, Float64[np.ndarray, "T 2 3"]]
    """Of the link's origin (m/s) and angular (rad/s), world."""
    angles: dict[int, Float64[np.ndarray, "T J"]]
    """Of the joints that move, by robot."""
    rows: list[Row]
    """Contact points; bodies are named by `Playground.label`."""
    steps: range
    """The steps that the rows are of."""


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
            robot = self.client.loadURDF(str(urdf), useFixedBase=fixed, globalScaling=size, flags=flags)
        for link in range(self.client.getNumJoints(robot)):
            if (
                self.client.getDynamicsInfo(robot, link)[9] > 0
            ):  # rubber feet, which would sink in as deep as they yield
                self.client.changeDynamics(robot, link, contactStiffness=STIFFNESS, contactDamping=DAMPING)
        return robot

    def joints(self, robot: int) -> tuple[Joint, ...]:
        """The joints of a robot that move."""
        rows = [self.client.getJointInfo(robot, number) for number in range(self.client.getNumJoints(robot))]
        return tuple(
            Joint(
                index=row[0],
                name=row[1].decode(),
                lower=row[8] if row[8] < row[9] else -np.inf,
                upper=row[9] if row[8] < row[9] else np.inf,
                slides=row[2] == pybullet.JOINT_PRISMATIC,
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
        """Let a thing fall from just above the floor. `quaternion` is x, y, z, w."""
        solids = hulls(asset)
        with tempfile.TemporaryDirectory() as folder:
            write_obj(Path(folder) / "hull.obj", solids)
            shape = self.client.createCollisionShape(pybullet.GEOM_MESH, fileName=f"{folder}/hull.obj")
        thing = self.client.createMultiBody(density * sum(float(solid.volume) for solid in solids), shape)
        lever = ROLLING * float(np.ptp(asset.mesh.vertices, axis=0).max())
        self.client.changeDynamics(thing, -1, rollingFriction=lever, spinningFriction=lever)
        self.client.resetBasePositionAndOrientation(thing, (x, y, 0.0), quaternion)
        low = self.client.getAABB(thing)[0][2]
        self.client.resetBasePositionAndOrientation(thing, (x, y, 2 * CLEARANCE - low), quaternion)
        return thing

    def settle(self, start: float) -> None:
        """Let things come to rest, for up to `SETTLE_SECONDS`, among robots that are held as they are at a time."""
        bases = [self._bolted(robot) for robot in self.drives]
        going = self.drives
        self.drives = {robot: (joints, drive.held(start), force) for robot, (joints, drive, force) in going.items()}

        def second() -> None:
            for _ in range(STEP_RATE):
                self._drive(start)
                self.client.stepSimulation()

        come_to_rest(second, self._places)
        for base in bases:
            self.client.removeConstraint(base)
        self.drives = going

    def run(self, start: float, frames: int, frame_rate: int) -> Course:
        """Simulate from a time before 0 to the last frame, and half a frame on."""
        per_frame = STEP_RATE // frame_rate
        steps = range(round(start * STEP_RATE), per_frame * (frames - 1) + per_frame // 2)
        rows, poses, speeds, angles = [], [], [], []
        for step in steps:
            if step >= 0 and step % per_frame == 0:
                poses.append(self.poses())
                speeds.append(self.speeds())
                angles.append({robot: self.angles(robot) for robot in self.drives})
            self._drive(step / STEP_RATE)
            self.client.stepSimulation()
            rows += self._contacts(step + 1) if step + 1 > -per_frame // 2 else ()
        return Course(
            paths={key: np.stack([now[key] for now in poses]) for key in poses[0]},
            velocities={key: np.stack([now[key] for now in speeds]) for key in speeds[0]},
            angles={key: np.stack([now[key] for now in angles]) for key in angles[0]},
            rows=rows,
            steps=range(steps.start + 1, steps.stop + 1),
        )

    @staticmethod
    def label(link: Link) -> str:
        """The name of a link in the rows of contacts."""
        return f"{link[0]}/{link[1]}"

    def _contacts(self, step: int) -> Iterator[Row]:
        """The contact points of the step that has been made."""
        for _, a, b, link_a, link_b, _, at, normal, _, force, *_ in self.client.getContactPoints():
            yield Row(
                step=step,
                first=self.label((a, link_a)),
                second=self.label((b, link_b)),
                position=at,
                normal=normal,
                force=force,
            )

    def poses(self) -> dict[Link, Float64[np.ndarray, "4 4"]]:
        """world_from_link of everything now."""
        poses = {}
        for body in self._bodies():
            inertial = _matrix(*self.client.getDynamicsInfo(body, -1)[3:5])
            poses[body, -1] = _matrix(*self.client.getBasePositionAndOrientation(body)) @ invert(inertial)
            for link in range(self.client.getNumJoints(body)):
                poses[body, link] = _matrix(*self.client.getLinkState(body, link, computeForwardKinematics=True)[4:6])
        return poses

    def speeds(self) -> dict[Link, Float64[np.ndarray, "2 3"]]:
        """Velocities of the origins of all links now, and angular ones. PyBullet tells those of the centres of mass."""
        speeds, poses = {}, self.poses()
        for body in self._bodies():
            centre = self.client.getBasePositionAndOrientation(body)[0]
            speeds[body, -1] = _at_origin(poses[body, -1], centre, *self.client.getBaseVelocity(body))
            for link in range(self.client.getNumJoints(body)):
                state = self.client.getLinkState(body, link, computeLinkVelocity=True, computeForwardKinematics=True)
                speeds[body, link] = _at_origin(poses[body, link], state[0], *state[6:8])
        return speeds

    def facts(self, link: Link) -> dict[str, float | bool | str]:
        """Mass (kg), friction and restitution of a link."""
        mass, friction, *_, restitution = self.client.getDynamicsInfo(*link)[:6]
        return {"mass": mass, "friction": friction, "restitution": restitution}

    def parent(self, link: Link) -> Link:
        """The link that a link hangs on."""
        return link[0], self.client.getJointInfo(*link)[16]

    def _bolted(self, robot: int) -> int:
        """Hold the base of a robot where it is; the number of what holds it."""
        at, turn = self.client.getBasePositionAndOrientation(robot)
        nowhere = (0.0, 0.0, 0.0)
        return self.client.createConstraint(
            robot, -1, -1, -1, pybullet.JOINT_FIXED, nowhere, nowhere, at, childFrameOrientation=turn
        )

    def _places(self) -> Float64[np.ndarray, "N 7"]:
        """Positions and quaternions of the bases of everything."""
        places = [self.client.getBasePositionAndOrientation(body) for body in self._bodies()]
        return np.array([position + turn for position, turn in places], np.float64)

    def _bodies(self) -> list[int]:
        return [self.client.getBodyUniqueId(number) for number in range(self.client.getNumBodies())]

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


def _at_origin(
    pose: Float64[np.ndarray, "4 4"], centre: tuple[float, ...], linear: tuple[float, ...], angular: tuple[float, ...]
) -> Float64[np.ndarray, "2 3"]:
    """Velocity of a body's origin and angular velocity, of the velocity of its centre of mass."""
    return np.stack([linear + np.cross(angular, pose[:3, 3] - centre), np.array(angular)])
