"""Camera programs by their laws."""

import numpy as np
import pytest

from generation import cameras
from vdpm.geometry import invert, project, transform

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
