"""Robots: what their files say, where their links are, how their joints move."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from generation import robots, urdf
from generation.assets import procedural
from generation.playground import Playground, pybullet
from generation.workshop import WARM_UP_SECONDS, Workshop
from vdpm.geometry import invert, rigid

LEGGED = [name for name, kind in robots.KINDS.items() if kind.gait == "legs"]
TINY = """<robot name="tiny"><material name="red"><color rgba="1 0 0 1"/></material><link name="a">
<visual><origin xyz="1 0 0" rpy="0 0 1.5707963267948966"/><geometry><box size="2 4 6"/></geometry>
<material name="red"/></visual>
<visual><geometry><sphere radius="0.0"/></geometry></visual></link></robot>"""


@pytest.fixture
def playground():
    playground = Playground()
    yield playground
    playground.close()


def forward_kinematics(path: Path, size: float, angles: dict[str, float]) -> dict[str, np.ndarray]:
    """base_from_link by name, from the file alone: the joints' origins, axes and angles multiplied along the tree."""
    root = ElementTree.fromstring(path.read_bytes())
    joints = {j.find("child").get("link"): j for j in root.findall("joint")}  # type: ignore[union-attr]

    def numbers(joint, tag, name, default):
        element = joint.find(tag)
        return np.array([float(n) for n in (default if element is None else element.get(name, default)).split()])

    def pose(link: str) -> np.ndarray:
        if link not in joints:
            return np.eye(4)
        joint, parent = joints[link], str(joints[link].find("parent").get("link"))  # type: ignore[union-attr]
        turn = Rotation.from_euler("xyz", numbers(joint, "origin", "rpy", "0 0 0")).as_matrix()
        fixed = rigid(turn, size * numbers(joint, "origin", "xyz", "0 0 0"))
        axis, angle = numbers(joint, "axis", "xyz", "1 0 0"), angles.get(str(joint.get("name")), 0.0)
        slides = joint.get("type") == "prismatic"
        moved = rigid(
            np.eye(3) if slides else Rotation.from_rotvec(axis * angle).as_matrix(), axis * angle * size * slides
        )
        return pose(parent) @ fixed @ moved

    return {str(link.get("name")): pose(str(link.get("name"))) for link in root.findall("link")}


def test_a_visual_is_placed_and_coloured_as_the_file_says(tmp_path):
    (tmp_path / "tiny.urdf").write_text(TINY)
    (visual,) = urdf.visuals(tmp_path / "tiny.urdf")
    assert visual.link == "a" and visual.colour == (1.0, 0.0, 0.0) and visual.texture is None
    np.testing.assert_allclose(visual.mesh.vertices.min(axis=0), [-1, -1, -3], atol=1e-6)
    np.testing.assert_allclose(visual.mesh.vertices.max(axis=0), [3, 1, 3], atol=1e-6)


@pytest.mark.parametrize("name", robots.KINDS)
def test_every_part_has_a_link_and_a_shape(name, playground):
    links = playground.links(playground.load(robots.urdf(robots.KINDS[name]), 1.0, fixed=True))
    assert robots.parts(name)
    for number, (link, _) in enumerate(robots.parts(name)):
        mesh = robots.asset(name, number, 2.0).mesh
        assert link in links
        assert np.isfinite(mesh.vertices).all() and len(mesh.faces) >= 12
        assert len(np.unique(mesh.faces)) == len(mesh.vertices)


@pytest.mark.parametrize("name", ["panda", "a1", "r2d2"])
def test_links_are_where_the_file_puts_them(name, playground):
    kind, size = robots.KINDS[name], 1.7
    robot = playground.load(robots.urdf(kind), size, fixed=True)
    joints = playground.joints(robot)
    drive = robots.draw_drive(np.random.default_rng(3), kind, joints)
    playground.place(robot, drive, 0.0, x=0.4, y=-0.3, turn=0.8)
    angles = {joint.name: angle for joint, angle in zip(joints, playground.angles(robot), strict=True)}
    truth = forward_kinematics(robots.urdf(kind), size, angles)
    poses = playground.poses()
    world_from_base = poses[robot, -1]
    for link, number in playground.links(robot).items():
        found = invert(world_from_base) @ poses[robot, number]
        if "finger" not in link and "gripper" not in link and "tip" not in link:  # PyBullet scales what slides its way
            np.testing.assert_allclose(found, truth[link], atol=2e-5)


@pytest.mark.parametrize("name", robots.KINDS)
def test_joints_stay_within_their_limits(name):
    """Targets always; angles under physics up to 3 degrees, which a motor may overshoot."""
    workshop, rng, kind = Workshop(), np.random.default_rng(7), robots.KINDS[name]
    workshop.add_robot(rng, name)
    robot = workshop.robots[0][0]
    joints, drive, _ = workshop.playground.drives[robot]
    held = ~drive.rolling
    lower, upper = np.array([joint.lower for joint in joints]), np.array([joint.upper for joint in joints])
    targets = np.array([drive.at(seconds) for seconds in np.linspace(-1, 5, 200)])
    assert (targets > lower - 1e-9)[:, held].all() and (targets < upper + 1e-9)[:, held].all()
    workshop.playground.run(-WARM_UP_SECONDS, frames=7, frame_rate=12)
    angles = workshop.playground.angles(robot)
    workshop.playground.close()
    assert (angles > lower - 0.05)[held].all() and (angles < upper + 0.05)[held].all()
    if kind.gait == "arm":
        assert np.abs(angles - drive.at(0.5))[:6].max() < 0.15


@pytest.mark.parametrize("name", LEGGED)
def test_quadrupeds_stay_on_their_feet_and_move(name):
    workshop, rng = Workshop(), np.random.default_rng(1)
    workshop.add_robot(rng, name)
    base = next(b for b in workshop.bodies(rng, frames=13, frame_rate=12) if b.facts["role"] == "robot")
    assert base.world_from_body[:, 2, 2].min() > 0.8
    assert np.linalg.norm(np.ptp(base.world_from_body[:, :3, 3], axis=0)) > 0.02


def test_arms_are_bolted_down_and_reach_above_the_floor():
    workshop, rng = Workshop(), np.random.default_rng(2)
    workshop.add_robot(rng, "kuka")
    bodies = workshop.bodies(rng, frames=13, frame_rate=12)
    assert np.ptp(bodies[0].world_from_body, axis=0).max() < 1e-9
    assert np.ptp(bodies[-1].world_from_body[:, :3, 3], axis=0).max() > 0.1
    for body in bodies:
        heights = body.world_from_body[:, 2, :3] @ body.asset.mesh.vertices.T + body.world_from_body[:, 2, 3:]
        assert heights.min() > -0.01


def test_a_dropped_box_comes_to_rest_on_the_floor(playground):
    box = procedural("box", 0)
    thing = playground.drop(box, 100.0, 0.5, -0.5, (0.0, 0.0, 0.0, 1.0))
    path = playground.run(-1.0, frames=3, frame_rate=12).paths[thing, -1]
    np.testing.assert_allclose(path[:, :2, 3], [[0.5, -0.5]] * 3, atol=0.02)
    np.testing.assert_allclose(path[:, 2, 3], -box.mesh.vertices[:, 2].min(), atol=0.01)


def test_things_lie_still_before_robots_begin():
    """A ring that comes down on its side would rock through the first second; the dog neither walks nor falls meanwhile."""
    workshop, rng = Workshop(), np.random.default_rng(5)
    workshop.add_robot(rng, "a1")
    playground, (robot, _, _) = workshop.playground, workshop.robots[0]
    thing = playground.drop(procedural("torus", 0), 100.0, 2.0, 1.5, (0.4, 0.1, 0.2, 0.9))
    before = playground.poses()[robot, -1]
    playground.settle(-WARM_UP_SECONDS)
    np.testing.assert_allclose(playground.poses()[robot, -1], before, atol=2e-3)
    assert np.abs(playground.speeds()[thing, -1]).max() < 1e-2
    path = playground.run(-WARM_UP_SECONDS, frames=7, frame_rate=12).paths[thing, -1]
    playground.close()
    assert np.ptp(path, axis=0).max() < 1e-3


def test_robots_and_things_start_apart():
    workshop, rng = Workshop(), np.random.default_rng(4)
    for _ in range(3):
        workshop.add_robot(rng)
    for _ in range(4):
        workshop.add_thing(rng, 0.5)
    workshop.playground.client.performCollisionDetection()
    contacts = workshop.playground.client.getContactPoints()
    pairs = {frozenset(contact[1:3]) for contact in contacts if contact[8] < 0.0} - {
        frozenset([robot]) for robot, _, _ in workshop.robots
    }
    workshop.playground.close()
    assert all(workshop.playground.floor in pair for pair in pairs)


def test_a_closed_playground_is_gone():
    before = pybullet.getConnectionInfo(0)
    playground = Playground()
    playground.close()
    del playground
    assert pybullet.getConnectionInfo(0) == before


def test_a_robot_of_many_loud_colours_is_painted_in_one():
    looks = robots.paintwork(np.random.default_rng(0), "xarm")
    assert len({look.colours[0] for look in looks}) == 2
    assert len({look.colours[0] for look in robots.paintwork(np.random.default_rng(0), "husky")}) > 2
