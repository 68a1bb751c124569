"""Contacts, velocities and joints: forces by Newton's laws, velocities by closed forms, places by the skeleton."""

import numpy as np
import pytest
import trimesh

from generation.contacts import Row, among, frame_of, gather, held
from generation.scene import Asset, Mesh
from vdpm.clip import Contacts
from vdpm.geometry import rigid

G = 9.81


def block(size: float = 0.5) -> Asset:
    mesh = trimesh.creation.box(extents=[size] * 3)
    return Asset(
        id="box",
        mesh=Mesh(vertices=np.asarray(mesh.vertices, np.float32), faces=np.asarray(mesh.faces, np.int32)),
        licence="none",
        collision="box",
    )


def of_pair(contacts: Contacts, first: int, second: int) -> Contacts:
    """The rows of two bodies, the push being upon the first."""
    rows = (contacts.bodies == sorted((first, second))).all(axis=1)
    picked = {name: value[rows] for name, value in vars(contacts).items()}
    return Contacts(**{**picked, "normal": picked["normal"] * (1 if first < second else -1)})


def row(step: int, first: str, second: str, force: float, x: float = 0.0, up: float = 1.0) -> Row:
    return Row(step=step, first=first, second=second, position=(x, 0.0, 0.0), normal=(0.0, 0.0, up), force=force)


def test_steps_belong_to_the_frame_they_are_around():
    np.testing.assert_array_equal(frame_of(np.array([-10, -9, 1, 10, 11, 30, 31]), 20), [-1, 0, 0, 0, 1, 1, 2])


def test_rows_become_means_over_the_time_around_a_frame():
    """Two points of a box on a plate over all steps, one of them named the other way round, and a single hard hit."""
    rows = [row(step, "box", "plate", 3.0, x=1.0) for step in range(1, 50)]
    rows += [row(step, "plate", "box", 1.0, x=-1.0, up=-1.0) for step in range(1, 50)]
    rows += [row(35, "ball", "plate", 200.0), row(36, "ball", "plate", 0.0)]
    touching = gather(rows, range(1, 50), 20, 3)
    contacts = among(touching, ["plate", "box", "ball", "lamp"])
    box, ball = of_pair(contacts, 1, 0), of_pair(contacts, 2, 0)
    np.testing.assert_array_equal(box.frame, [0, 1, 2])
    np.testing.assert_allclose(box.force, 4.0)
    np.testing.assert_allclose(box.peak, 4.0)
    np.testing.assert_allclose(box.position[:, 0], 0.5)
    np.testing.assert_allclose(box.normal, [[0, 0, 1]] * 3)
    assert ball.frame.tolist() == [2]
    np.testing.assert_allclose(ball.force, 200.0 / 19)  # of the last frame's twenty steps, nineteen were made
    np.testing.assert_allclose(ball.peak, 200.0)


def test_contacts_of_what_is_no_body_are_left_out():
    touching = gather([row(1, "a", "b", 1.0), row(1, "a", "c", 1.0)], range(1, 11), 20, 1)
    assert among(touching, ["c", "a"]).bodies.tolist() == [[0, 1]]
    assert gather([], range(1, 11), 20, 1).contacts.frame.shape == (0,)


def test_frozen_contacts_are_those_of_the_first_frame():
    touching = gather([row(1, "a", "b", 1.0), row(15, "a", "c", 1.0)], range(1, 30), 20, 2)
    contacts = held(touching, 3).contacts
    assert contacts.frame.tolist() == [0, 1, 2]
    assert len(np.unique(contacts.bodies, axis=0)) == 1


def test_a_box_at_rest_is_borne_by_the_floor_with_its_weight(tmp_path):
    from generation.physics import Simulation

    simulation = Simulation(tmp_path, frames=3, frame_rate=12, floor_half_width=5.0)
    box = simulation.add(block(), density=100.0)
    box.position, box.restitution = (0.3, -0.2, 0.25), 0.0
    simulation.settle(60)
    simulation.names[box.uid] = "box"
    course = simulation.run()
    simulation.close()
    contacts = of_pair(among(course.touching, ["floor", "box"]), 1, 0)
    np.testing.assert_array_equal(contacts.frame, [0, 1, 2])
    weight = 100.0 * 0.5**3 * G  # Bullet adds to it in steps in which it parts what overlaps by micrometres
    assert (contacts.force > 0.99 * weight).all() and contacts.force.min() < 1.05 * weight
    assert contacts.force.max() < 1.2 * weight and contacts.peak.max() < 2 * weight
    np.testing.assert_allclose(contacts.normal, [[0, 0, 1]] * 3, atol=1e-4)
    np.testing.assert_allclose(contacts.position, [[0.3, -0.2, 0.0]] * 3, atol=0.05)
    np.testing.assert_allclose(course.velocities[box.uid], 0.0, atol=0.01)


def test_a_bounce_is_an_impulse(tmp_path):
    """What the floor pushes over all frames is the change of momentum: m (v' - v) + m g t."""
    from generation.physics import Simulation

    simulation = Simulation(tmp_path, frames=9, frame_rate=12, floor_half_width=5.0)
    ball = simulation.add(block(), density=100.0)
    ball.restitution = 0.6
    ball.position = (0.0, 0.0, 1.0)
    simulation.names[ball.uid] = "ball"
    course = simulation.run()
    simulation.close()
    contacts, mass = of_pair(among(course.touching, ["floor", "ball"]), 1, 0), 100.0 * 0.5**3
    speed = course.velocities[ball.uid][:, 0, 2]
    whole = contacts.frame > 0
    impulse = (contacts.force * contacts.normal[:, 2])[whole].sum() / 12
    assert speed[1:].max() > 0.3 or speed.min() < -2.0
    assert contacts.peak.max() > 5 * mass * G
    expected = mass * (speed[-1] - speed[1]) + mass * G * 7 / 12
    assert impulse == pytest.approx(expected, rel=0.1)


def test_velocities_of_free_flight(tmp_path):
    """Gravity a step, no more; spin stays. Bullet damps both by 4 % a second."""
    from generation.physics import Simulation

    simulation = Simulation(tmp_path, frames=4, frame_rate=12, floor_half_width=5.0)
    ball = simulation.add(block(), density=100.0)
    ball.position, ball.velocity, ball.angular_velocity = (0.0, 0.0, 5.0), (1.0, -2.0, 3.0), (0.0, 0.0, 4.0)
    linear, angular = simulation.run().velocities[ball.uid].transpose(1, 0, 2)
    simulation.close()
    seconds = np.arange(4)[:, None] / 12
    np.testing.assert_allclose(linear, [1.0, -2.0, 3.0] - seconds * [0, 0, G], atol=0.05)
    np.testing.assert_allclose(angular, [[0.0, 0.0, 4.0]] * 4, atol=0.05)


def test_soft_worlds_tell_what_rigid_things_press(tmp_path):
    from generation.softbody import SoftWorld

    world = SoftWorld(tmp_path)
    world.add_rigid(block(), 30.0, rigid(np.eye(3), np.array([0.0, 0.0, 0.25])), "box")
    course = world.run(3, 12)
    world.close()
    contacts = of_pair(among(course.touching, ["floor", "box"]), 1, 0)
    assert contacts.force[-1] == pytest.approx(30.0 * G, rel=0.02)
    np.testing.assert_allclose(course.velocities[0], 0.0, atol=0.01)


def test_links_move_as_their_poses_do():
    """Central differences of finely sampled poses of an arm against the simulator's velocities, spin included."""
    from generation.workshop import Workshop

    workshop, rng = Workshop(), np.random.default_rng(2)
    workshop.add_robot(rng, "kuka")
    course = workshop.playground.run(-0.5, frames=21, frame_rate=120)
    robot = workshop.robots[0][0]
    workshop.playground.close()
    for link, path in course.paths.items():
        if link[0] == robot:
            moved = (path[2:, :3, 3] - path[:-2, :3, 3]) * 60
            turned = (path[2:, :3, :3] - path[:-2, :3, :3]) * 60
            spin = np.einsum("tab,tcb->tac", turned, path[1:-1, :3, :3])
            vector = np.stack([spin[:, 2, 1], spin[:, 0, 2], spin[:, 1, 0]], axis=-1)
            np.testing.assert_allclose(course.velocities[link][1:-1, 0], moved, atol=0.03)
            np.testing.assert_allclose(course.velocities[link][1:-1, 1], vector, atol=0.03)


def test_robots_say_their_joints_and_stand_on_the_floor_with_their_weight():
    from generation.workshop import Workshop

    workshop, rng = Workshop(), np.random.default_rng(1)
    workshop.add_robot(rng, "a1")
    robot = workshop.robots[0][0]
    client = workshop.playground.client
    weight = G * sum(client.getDynamicsInfo(robot, k)[0] for k in range(-1, client.getNumJoints(robot)))
    bodies = workshop.bodies(rng, frames=25, frame_rate=12)
    assert {body.group for body in bodies} == {"a1_0"}
    joints = [joint for body in bodies for joint in body.joints]
    assert len(joints) == 12 and {joint.kind for joint in joints} == {"revolute"}
    for joint in joints:
        assert joint.position is not None and joint.place.shape == (25, 3)
        assert (joint.position > joint.lower - 0.05).all() and (joint.position < joint.upper + 0.05).all()
    contacts = among(workshop.touching, ["floor", *(body.name for body in bodies)])
    borne = (contacts.force * -contacts.normal[:, 2])[contacts.bodies[:, 0] == 0]
    assert borne.sum() / 25 == pytest.approx(weight, rel=0.15)  # over two seconds of steps


def test_knees_are_where_the_skin_bends():
    """Places of a person's joints against bones of the clip of motion capture, moved as the body is."""
    from generation import actors, motions

    rng, look = np.random.default_rng(5), np.random.default_rng(6)
    bodies = actors.person(rng, look, "a", np.arange(6) / 12, ())
    joints = {joint.name: joint for body in bodies for joint in body.joints}
    assert list(joints) == [bone.name for bone in motions.SKELETON] and {body.group for body in bodies} == {"a"}
    scale = float(bodies[0].facts["height"]) / actors.STANDARD_HEIGHT
    shin = np.linalg.norm(joints["left_ankle"].place - joints["left_knee"].place, axis=1)
    np.testing.assert_allclose(shin, scale * 0.4099, rtol=1e-6)
    np.testing.assert_allclose(joints["root"].place, bodies[0].world_from_body[:, :3, 3], atol=1e-9)
    thigh = joints["left_knee"].place - joints["left_hip"].place
    shank = joints["left_ankle"].place - joints["left_knee"].place
    cosine = (thigh * shank).sum(axis=1) / np.linalg.norm(thigh, axis=1) / np.linalg.norm(shank, axis=1)
    position = joints["left_knee"].position
    assert position is not None
    np.testing.assert_allclose(np.cos(position), cosine, atol=1e-6)
