"""Camera programs by their laws."""

import numpy as np
import pytest

from generation import assets, cameras, materials
from generation.scene import Body
from vdpm.geometry import invert, project, rigid, transform

K = cameras.intrinsics(64, 48, focal_mm=35.0, sensor_mm=32.0)


def test_intrinsics_in_closed_form():
    np.testing.assert_allclose(K, [[70.0, 0.0, 32.0], [0.0, 70.0, 24.0], [0.0, 0.0, 1.0]])


@pytest.mark.parametrize("seed", range(5))
def test_the_target_is_in_the_middle_of_an_upright_image(seed):
    rng = np.random.default_rng(seed)
    eye, target = rng.normal(size=(7, 3)) * 5, rng.normal(size=(7, 3))
    pose = cameras.look_at(eye, target)
    seen = transform(invert(pose), target)
    np.testing.assert_allclose(project(seen[:, None, None], np.tile(K, (7, 1, 1)))[:, 0, 0], [[32.0, 24.0]] * 7)
    assert (seen[:, 2] > 0).all()
    rotation = pose[:, :3, :3]
    np.testing.assert_allclose(rotation @ np.swapaxes(rotation, 1, 2), np.tile(np.eye(3), (7, 1, 1)), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(rotation), 1.0)
    np.testing.assert_allclose(rotation[:, 2, 0], 0.0, atol=1e-12)  # the image's rows are level
    assert (rotation[:, 2, 1] < 0).all()  # image down is world down


def test_straight_down_has_no_upright_view():
    with pytest.raises(ValueError, match="straight up or down"):
        cameras.look_at(np.array([[0.0, 0.0, 5.0]]), np.array([[0.0, 0.0, 0.0]]))


@pytest.mark.parametrize("seed", range(10))
def test_a_linear_path_is_straight_even_and_stays_in_its_shell(seed):
    path = cameras.linear_path(np.random.default_rng(seed), 9, inner=7.0, outer=12.0, lowest=0.1, longest=4.0)
    step = np.diff(path, axis=0)
    np.testing.assert_allclose(step, np.tile(step[:1], (8, 1)), atol=1e-12)
    assert np.linalg.norm(path[-1] - path[0]) <= 4.0
    for end in (path[0], path[-1]):
        assert 7.0 <= np.linalg.norm(end) <= 12.0 and end[2] > 0.1


TIMES = np.arange(24) / 12
STAGE = cameras.Stage(inner=5.0, outer=9.0, target=2.0)


@pytest.mark.parametrize("name", cameras.PROGRAMS)
@pytest.mark.parametrize("seed", range(4))
def test_every_program_is_repeatable_rigid_upright_and_above_ground(name, seed):
    program = cameras.PROGRAMS[name]
    shot, again = (program(np.random.default_rng(seed), K, TIMES, STAGE) for _ in range(2))
    np.testing.assert_array_equal(shot.world_from_camera, again.world_from_camera)
    np.testing.assert_array_equal(shot.K, again.K)
    rotation = shot.world_from_camera[:, :3, :3]
    np.testing.assert_allclose(rotation @ np.swapaxes(rotation, 1, 2), np.tile(np.eye(3), (24, 1, 1)), atol=1e-12)
    assert (rotation[:, 2, 1] < 0).all()
    assert (shot.world_from_camera[:, 2, 3] > 0.1).all()
    assert shot.K.shape == (24, 3, 3)


@pytest.mark.parametrize("name", sorted(set(cameras.PROGRAMS) - {"jumps"}))
def test_programs_without_cuts_are_smooth(name):
    shot = cameras.PROGRAMS[name](np.random.default_rng(1), K, TIMES, STAGE)
    step = np.linalg.norm(np.diff(shot.world_from_camera[:, :3, 3], axis=0), axis=1)
    assert step.max() < 1.5  # metres in a twelfth of a second


def test_a_program_does_what_its_name_says():
    def shoot(name: str) -> cameras.Cameras:
        return cameras.PROGRAMS[name](np.random.default_rng(2), K, TIMES, STAGE)

    def eyes(name: str) -> np.ndarray:
        return shoot(name).world_from_camera[:, :3, 3]

    for name in ("fixed", "pan", "zoom"):
        assert np.ptp(eyes(name), axis=0).max() < 1e-12
    assert np.ptp(shoot("zoom").K[:, 0, 0]) > 0.2 * K[0, 0]
    turned = shoot("pan").world_from_camera[:, :3, 2]
    assert np.degrees(np.arccos(turned[0] @ turned[-1])) > 5.0
    directions = eyes("dolly") / np.linalg.norm(eyes("dolly"), axis=1, keepdims=True)
    np.testing.assert_allclose(directions, np.tile(directions[:1], (24, 1)), atol=1e-12)
    azimuth = np.unwrap(np.arctan2(eyes("orbit")[:, 1], eyes("orbit")[:, 0]))
    assert abs(azimuth[-1] - azimuth[0]) > np.radians(19)
    cuts = np.linalg.norm(np.diff(eyes("jumps"), axis=0), axis=1) > 0
    assert 2 <= cuts.sum() <= 5 and (np.linalg.norm(np.diff(eyes("handheld"), axis=0), axis=1) > 0).all()


def test_a_random_lens_has_the_field_of_view_and_shift_asked_for():
    rng = np.random.default_rng(0)
    for _ in range(20):
        lens = cameras.random_lens(rng, 200, 100, fov_degrees=(25, 90), shift=0.05)
        assert 25 <= np.degrees(2 * np.arctan(100 / lens[0, 0])) <= 90
        assert lens[0, 0] == lens[1, 1] and abs(lens[0, 2] - 100) <= 10 and abs(lens[1, 2] - 50) <= 10


def test_zooming_stays_within_the_fields_of_view_of_lenses():
    rng = np.random.default_rng(0)
    for _ in range(50):
        lens = cameras.random_lens(rng, 200, 100, fov_degrees=(25, 90), shift=0.05)
        focal = cameras.zoom(rng, lens, TIMES, STAGE).K[:, 0, 0]
        assert 1.29 < focal.max() / focal.min() < 2.01
        views = np.degrees(2 * np.arctan(100 / focal))
        assert views.min() >= 25 and views.max() <= 90


def test_driving_goes_forward():
    shot = cameras.drive(np.random.default_rng(0), K, TIMES, lane=-2.0)
    speed = np.diff(shot.world_from_camera[:, 0, 3]) * 12
    assert 3.5 < speed.min() and speed.max() < 12.5
    assert (shot.world_from_camera[:, 0, 2] > 0.9).all()  # it looks along +x


def test_a_shot_about_a_spot_is_the_same_shot_there():
    shot = cameras.orbit(np.random.default_rng(1), K, TIMES, STAGE)
    spot = np.array([3.0, -2.0, 0.5])
    moved = cameras.about(spot, shot)
    np.testing.assert_allclose(moved.world_from_camera[:, :3, 3] - shot.world_from_camera[:, :3, 3], [spot] * 24)
    np.testing.assert_array_equal(moved.world_from_camera[:, :3, :3], shot.world_from_camera[:, :3, :3])


def test_the_spot_is_that_of_a_body_of_the_role():
    floor, ball = assets.floor(5.0), assets.procedural("sphere", 0)
    path = rigid(np.tile(np.eye(3), (3, 1, 1)), np.array([[1.0, 2.0, 1.0], [2.0, 2.0, 2.0], [3.0, 2.0, 3.0]]))
    bodies = tuple(
        Body(
            name=role,
            asset=asset,
            material=materials.uniform(0.5, 0.5),
            world_from_body=path * (role == "star") + np.eye(4) * (role != "star"),
            facts={"role": role},
        )
        for role, asset in (("ground", floor), ("star", ball))
    )
    np.testing.assert_allclose(cameras.spot(np.random.default_rng(0), bodies, ("star",)), [2.0, 2.0, 1.0])
