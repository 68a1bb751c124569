"""Laws and round trips of `vdpm.geometry`, on whatever hypothesis thinks of."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from vdpm.geometry import barycentric, invert, pixel_centres, project, rays, rigid, transform, unproject

angles = st.floats(-np.pi, np.pi)
metres = st.floats(-100, 100)
seeds = st.integers(0, 2**32 - 1)
sizes = st.integers(1, 12)


def turn(axis: int, angle: float) -> np.ndarray:
    """Rotation about a coordinate axis."""
    a, b = (axis + 1) % 3, (axis + 2) % 3
    rotation = np.eye(3)
    rotation[[a, a, b, b], [a, b, a, b]] = np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)
    return rotation


@st.composite
def poses(draw) -> np.ndarray:
    """Rigid transforms, near the identity and far from it."""
    rotation = turn(0, draw(angles)) @ turn(1, draw(angles)) @ turn(2, draw(angles))
    return rigid(rotation, np.array([draw(metres), draw(metres), draw(metres)]))


@st.composite
def intrinsics(draw) -> np.ndarray:
    """K with unequal focal lengths and a principal point anywhere near the image."""
    focal, centre = st.floats(1.0, 2000.0), st.floats(-50.0, 2000.0)
    return np.array([[draw(focal), 0.0, draw(centre)], [0.0, draw(focal), draw(centre)], [0.0, 0.0, 1.0]])


@given(intrinsics(), sizes, sizes, seeds)
def test_project_undoes_unproject(K, height, width, seed):
    depth = np.random.default_rng(seed).uniform(0.01, 100.0, (height, width))
    points = unproject(depth, K)
    assert_array_equal(points[..., 2], depth)
    assert_allclose(project(points, K), pixel_centres(height, width), atol=1e-6)


@given(intrinsics(), seeds)
def test_unproject_and_project_take_videos(K, seed):
    depth = np.random.default_rng(seed).uniform(0.1, 10.0, (3, 4, 5))
    points = unproject(depth, np.stack([K] * 3))
    assert_array_equal(points, np.stack([unproject(frame, K) for frame in depth]))
    assert_array_equal(project(points, np.stack([K] * 3)), np.stack([project(frame, K) for frame in points]))


@given(intrinsics(), seeds)
def test_depth_times_ray_is_the_point(K, seed):
    depth = np.random.default_rng(seed).uniform(0.1, 10.0, (4, 5))
    assert_allclose(depth[..., None] * rays(K, pixel_centres(4, 5)), unproject(depth, K), rtol=1e-9, atol=1e-9)


def test_pixel_centres_are_half_a_pixel_from_the_corner():
    assert_array_equal(
        pixel_centres(2, 3), [[[0.5, 0.5], [1.5, 0.5], [2.5, 0.5]], [[0.5, 1.5], [1.5, 1.5], [2.5, 1.5]]]
    )


def test_the_middle_of_the_image_lies_on_the_axis():
    K = np.array([[7.0, 0.0, 2.5], [0.0, 7.0, 1.5], [0.0, 0.0, 1.0]])
    assert_array_equal(unproject(np.full((3, 5), 4.0), K)[1, 2], [0.0, 0.0, 4.0])


@given(intrinsics(), st.integers(1, 8), st.integers(1, 8), seeds)
def test_K_scales_with_the_image(K, across, down, seed):
    """The corner origin: an image `across` times as wide needs its K multiplied, without any half pixels."""
    points = np.random.default_rng(seed).uniform([-1, -1, 1], [1, 1, 5], (3, 4, 3))
    resized = np.diag([across, down, 1.0]) @ K
    assert_allclose(project(points, resized), project(points, K) * [across, down], rtol=1e-9, atol=1e-6)
    centres = pixel_centres(2 * down, 3 * across).reshape(2, down, 3, across, 2).mean(axis=(1, 3))
    assert_allclose(centres, pixel_centres(2, 3) * [across, down])


def test_what_is_not_in_front_has_no_pixel():
    points = np.array([[[1.0, 1.0, -1.0], [1.0, 1.0, 0.0], [np.nan, np.nan, np.nan], [1.0, 1.0, 1.0]]])
    assert_array_equal(np.isnan(project(points, np.eye(3))).all(axis=-1), [[True, True, True, False]])


def test_unknown_depth_gives_unknown_points():
    points = unproject(np.array([[np.nan, 1.0]]), np.eye(3))
    assert_array_equal(np.isnan(points), [[[True] * 3, [False] * 3]])


@given(poses())
def test_inverse(pose):
    assert_allclose(pose @ invert(pose), np.eye(4), atol=1e-12)
    assert_allclose(invert(pose) @ pose, np.eye(4), atol=1e-12)
    assert_allclose(invert(invert(pose)), pose, atol=1e-12)
    assert_array_equal(invert(np.stack([pose, np.eye(4)])), np.stack([invert(pose), invert(np.eye(4))]))


@given(poses(), poses(), seeds)
def test_transform_composes(world_from_camera, camera_from_body, seed):
    points = np.random.default_rng(seed).uniform(-10, 10, (2, 5, 3))
    one_by_one = transform(world_from_camera, transform(camera_from_body, points))
    assert_allclose(transform(world_from_camera @ camera_from_body, points), one_by_one, atol=1e-9)


@given(poses(), seeds)
def test_transform_is_rigid(pose, seed):
    points = np.random.default_rng(seed).uniform(-10, 10, (6, 3))
    moved = transform(pose, points)
    assert_allclose(np.linalg.norm(moved - moved[0], axis=-1), np.linalg.norm(points - points[0], axis=-1), atol=1e-9)
    assert_allclose(transform(invert(pose), moved), points, atol=1e-9)


def test_transform_takes_one_pose_per_point():
    turned, moved = rigid(turn(2, np.pi / 2), np.zeros(3)), rigid(np.eye(3), np.array([0.0, 0.0, 5.0]))
    points = transform(np.stack([turned, moved]), np.array([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]))
    assert_allclose(points, [[0, 1, 0], [1, 0, 5]], atol=1e-15)


def some_triangles(rng: np.random.Generator) -> np.ndarray:
    """(N, 3, 3) corners with angles of 30 degrees and more, all sizes, anywhere."""
    flat = np.array([[0, 0, 0], [1, 0, 0], [0.5, 0.6, 0]]) * rng.uniform(1e-3, 10, (7, 1, 1))
    return flat @ np.linalg.qr(rng.normal(size=(7, 3, 3))).Q + rng.uniform(-5, 5, (7, 1, 3))


@given(seeds)
def test_barycentric_rebuilds_the_point(seed):
    rng = np.random.default_rng(seed)
    corners = some_triangles(rng)
    two = rng.uniform(-1, 2, (7, 2))
    weights = np.concatenate([1 - two.sum(axis=-1, keepdims=True), two], axis=-1)
    points = np.einsum("nc,nca->na", weights, corners)
    found = barycentric(points, corners)
    assert_allclose(found.sum(axis=-1), 1, atol=1e-12)
    assert_allclose(np.einsum("nc,nca->na", found, corners), points, atol=1e-9)


@given(seeds)
def test_barycentric_at_corners_and_centroid(seed):
    corners = some_triangles(np.random.default_rng(seed))
    for index, expected in enumerate(np.eye(3)):
        assert_allclose(barycentric(corners[:, index], corners), np.tile(expected, (7, 1)), atol=1e-8)
    assert_allclose(barycentric(corners.mean(axis=1), corners), np.full((7, 3), 1 / 3), atol=1e-8)
