"""Derived truth against a brute-force ray caster and against motion written down a second time (`tests.tiny`)."""

from dataclasses import fields, replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from tests.tiny import box_pose, cast, nearest, pixel_rays, posed_corners, tiny_clip
from vdpm import derive
from vdpm.clip import Clip
from vdpm.geometry import invert, pixel_centres, project, transform

FRAMES = 8
PAIRS = [(0, 0), (0, 7), (7, 0), (2, 5), (6, 1)]


@pytest.fixture(scope="module", params=[(24, 32), (40, 17), (1, 31)], ids=str)
def clip(request) -> Clip:
    """Wide, tall and one row high."""
    return tiny_clip(FRAMES, *request.param)


def seconds(frame: int) -> float:
    return frame / (FRAMES - 1)


def own_points(clip: Clip, frame: int) -> np.ndarray:
    return derive.points(clip, derive.hits(clip, frame), frame)


@pytest.mark.parametrize("frame", range(FRAMES))
def test_depth_is_what_the_rays_hit(clip, frame):
    triangle, depth = cast(clip, frame)
    assert_array_equal(clip.triangle[frame], triangle)
    assert_allclose(derive.depth(clip, frame), np.where(np.isinf(depth), np.nan, depth), rtol=1e-9)


@pytest.mark.parametrize("frame", range(FRAMES))
def test_own_point_map_reprojects_onto_the_pixel_centres(clip, frame):
    own = derive.point_map(clip, derive.hits(clip, frame), frame, frame)
    assert_allclose(own[..., 2], derive.depth(clip, frame), rtol=1e-12)
    seen = clip.triangle[frame] >= 0
    pixels = project(own, clip.cameras.K[frame])
    assert np.abs(pixels - pixel_centres(*seen.shape))[seen].max() <= 1e-6


@pytest.mark.parametrize("frame", range(FRAMES))
def test_hits_lie_inside_their_triangles(clip, frame):
    weights = derive.hits(clip, frame).weights
    assert_allclose(weights.sum(axis=-1), 1, atol=1e-12)
    assert weights.min() >= -1e-9


@pytest.mark.parametrize(("frame", "time"), PAIRS)
def test_the_box_moves_as_written_down(clip, frame, time):
    """What is on the box goes round and along with it, everything else stays."""
    (before, start), (after, end) = box_pose(seconds(frame)), box_pose(seconds(time))
    at_frame = own_points(clip, frame)
    moved = (at_frame - start) @ before @ after.T + end
    expected = np.where((derive.bodies(clip, frame) == 1)[..., None], moved, at_frame)
    assert_allclose(derive.points(clip, derive.hits(clip, frame), time), expected, atol=1e-9)


@pytest.mark.parametrize(("frame", "time"), PAIRS)
def test_points_are_where_the_other_camera_sees_them(clip, frame, time):
    """A ray from camera `time` to a point that came from `frame` ends at the point, or earlier at what hides it."""
    source = derive.hits(clip, frame)
    eye = clip.cameras.world_from_camera[time, :3, 3]
    ray = derive.points(clip, source, time)[source.seen] - eye
    triangle, lengths = nearest(eye, ray, posed_corners(clip, seconds(time)))
    visible = triangle == source.triangle
    assert visible.mean() > 0.5
    assert_allclose(lengths[visible], 1, rtol=1e-9)
    assert np.all(lengths[~visible] <= 1 + 1e-9)


@pytest.mark.parametrize(("frame", "time"), PAIRS)
@pytest.mark.parametrize("view", [0, 3])
def test_the_view_only_changes_coordinates(clip, frame, time, view):
    """Against `pi_view`, inverted by numpy's general inverse."""
    source = derive.hits(clip, frame)
    world = derive.points(clip, source, time)
    homogeneous = np.concatenate([world, np.ones_like(world[..., :1])], axis=-1)
    expected = homogeneous @ np.linalg.inv(clip.cameras.world_from_camera[view]).T
    assert_allclose(derive.point_map(clip, source, time, view), expected[..., :3], atol=1e-12)


@pytest.mark.parametrize(("frame", "time"), PAIRS)
def test_scene_flow_is_zero_on_what_stands_still(clip, frame, time):
    flow, floor = derive.scene_flow(clip, frame, time), derive.bodies(clip, frame) == 0
    assert_array_equal(flow[floor], 0)
    box = derive.bodies(clip, frame) == 1
    if frame != time and box.any():
        assert np.linalg.norm(flow[box], axis=-1).min() > 0.05


@pytest.mark.parametrize(("frame", "time"), PAIRS)
def test_floor_flows_as_the_camera_moves(clip, frame, time):
    """Flow of what stands still, from depth and the two cameras alone: K [R | t] applied to depth times ray."""
    _, depth = cast(clip, frame)
    eye = clip.cameras.world_from_camera[frame, :3, 3]
    floor = derive.bodies(clip, frame) == 0
    world = eye + depth[floor][:, None] * pixel_rays(clip, frame)[floor.ravel()]
    pose = clip.cameras.world_from_camera[time]
    image = (world - pose[:3, 3]) @ pose[:3, :3] @ clip.cameras.K[time].T
    flow = image[:, :2] / image[:, 2:] - pixel_centres(*depth.shape)[floor]
    assert_allclose(derive.optical_flow(clip, frame, time)[floor], flow, atol=1e-9)


@pytest.mark.parametrize(("frame", "time"), [(0, 1), (3, 5), (5, 4)])
def test_flow_there_and_back_ends_where_it_began(frame, time):
    """The way back is read between four pixels that see the triangle of the start, which leaves a hundredth of a pixel."""
    clip = tiny_clip(FRAMES, 48, 64)
    there, back = derive.optical_flow(clip, frame, time), derive.optical_flow(clip, time, frame)
    landed = (pixel_centres(48, 64) + there)[1:-1, 1:-1].reshape(-1, 2) - 0.5
    start = clip.triangle[frame, 1:-1, 1:-1].ravel()
    inside = (start >= 0) & (landed >= 0).all(axis=-1) & (landed < [63, 47]).all(axis=-1)
    landed, start = landed[inside], start[inside]
    (u, v), (du, dv) = landed.astype(int).T, (landed % 1).T
    around = [
        (v, u, (1 - dv) * (1 - du)),
        (v, u + 1, (1 - dv) * du),
        (v + 1, u, dv * (1 - du)),
        (v + 1, u + 1, dv * du),
    ]
    same = np.all([clip.triangle[time, row, column] == start for row, column, _ in around], axis=0)
    returned = sum(back[row, column] * weight[:, None] for row, column, weight in around)
    cycle = there[1:-1, 1:-1].reshape(-1, 2)[inside] + returned
    assert same.sum() > 500 and {0, 1} < set(start[same])
    assert np.abs(cycle[same]).max() < 0.05


def test_flow_to_the_same_frame_is_zero(clip):
    flow = derive.optical_flow(clip, 3, 3)
    assert np.nanmax(np.abs(flow)) <= 1e-6


def test_flow_of_what_ends_up_behind_the_camera_is_unknown():
    clip = tiny_clip(2)
    turned = clip.cameras.world_from_camera.copy()
    turned[1, :3, [0, 2]] *= -1  # look the other way
    clip = replace(clip, cameras=replace(clip.cameras, world_from_camera=turned))
    behind = derive.point_map(clip, derive.hits(clip, 0), 1, 1)[..., 2] <= 0
    assert behind.any() and np.isnan(derive.optical_flow(clip, 0, 1)[behind]).all()


@pytest.mark.parametrize("frame", [0, 4])
def test_normals(clip, frame):
    seen, normal = clip.triangle[frame] >= 0, derive.normals(clip, frame)
    corners = posed_corners(clip, seconds(frame))[clip.triangle[frame][seen]]
    world_normal = normal[seen] @ clip.cameras.world_from_camera[frame, :3, :3].T
    assert_allclose(np.linalg.norm(normal[seen], axis=-1), 1, rtol=1e-12)
    for edge in (corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]):
        assert_allclose(np.einsum("na,na->n", world_normal, edge), 0, atol=1e-12)
    rays = pixel_rays(clip, frame).reshape(*seen.shape, 3)[seen]
    assert np.all(np.einsum("na,na->n", world_normal, rays) < 0)
    floor = world_normal[clip.triangle[frame][seen] < 2]
    assert_allclose(floor, np.broadcast_to([0, 0, 1], floor.shape), atol=1e-12)


@pytest.mark.parametrize("frame", [0, 4])
def test_bodies_are_told_by_their_triangles(clip, frame):
    triangle = clip.triangle[frame]
    assert_array_equal(derive.bodies(clip, frame), np.select([triangle < 0, triangle < 2], [-1, 0], 1))


def test_bodies_without_triangles_are_passed_over():
    surfaces = replace(tiny_clip(1).surfaces, face_start=np.array([0, 0, 2, 2, 14], np.int32))
    assert_array_equal(derive.body_of_triangle(surfaces, np.array([-1, 0, 1, 2, 13], np.int32)), [-1, 1, 1, 3, 3])


def test_unknown_exactly_where_nothing_is_seen(clip):
    unseen = clip.triangle[2] < 0
    source = derive.hits(clip, 2)
    maps = [derive.points(clip, source, 5), derive.point_map(clip, source, 5, 1), derive.depth(clip, 2)]
    maps += [derive.normals(clip, 2), derive.scene_flow(clip, 2, 5), derive.optical_flow(clip, 2, 5)]
    for values in maps:
        axes = tuple(range(2, values.ndim))
        assert_array_equal(np.isnan(values).any(axis=axes), unseen)
        assert_array_equal(np.isnan(values).all(axis=axes), unseen)


def test_a_frame_of_sky_has_no_points():
    clip = tiny_clip(2)
    clip = replace(clip, triangle=np.full_like(clip.triangle, -1))
    assert np.isnan(derive.depth(clip, 0)).all() and np.isnan(derive.normals(clip, 0)).all()
    assert np.isnan(derive.truth(clip, (0, 1), (0,)).points).all()


def test_tracks_are_the_points_at_every_time(clip):
    source = derive.hits(clip, 1)
    tracks = derive.tracks(clip, source)
    for time in range(FRAMES):
        assert_array_equal(tracks[time], derive.points(clip, source, time).astype(np.float32))


@pytest.mark.parametrize("sources", [(), (0,), (2, 0), (0, 1, 2)])
def test_truth_of_some_frames(clip, sources):
    frames = (6, 1, 3)
    truth = derive.truth(clip, frames, sources)
    height, width = clip.rgb.shape[1:3]
    assert truth.points.shape == (len(sources), 3, height, width, 3) and truth.depth.shape == (3, height, width)
    assert truth.sources == sources
    assert_array_equal(truth.world_from_camera, clip.cameras.world_from_camera[[6, 1, 3]])
    for row, source in enumerate(sources):
        for column, time in enumerate(frames):
            expected = derive.point_map(clip, derive.hits(clip, frames[source]), time, frames[0])
            assert_allclose(truth.points[row, column], expected, rtol=1e-6, atol=1e-6)
    for row, source in enumerate(sources):
        own = transform(
            invert(clip.cameras.world_from_camera[frames[source]]) @ clip.cameras.world_from_camera[frames[0]],
            truth.points[row, source].astype(np.float64),
        )
        assert_allclose(own[..., 2], truth.depth[source], rtol=1e-5)


def test_truth_is_the_same_twice_and_changes_nothing(clip):
    before = [array.copy() for array in (clip.triangle, clip.cameras.K, clip.surfaces.vertices)]
    one, two = derive.truth(clip, (0, 3), (0, 1)), derive.truth(clip, (0, 3), (0, 1))
    for field in fields(one):
        assert_array_equal(getattr(one, field.name), getattr(two, field.name))
    for array, kept in zip((clip.triangle, clip.cameras.K, clip.surfaces.vertices), before, strict=True):
        assert_array_equal(array, kept)
