"""What follows from point maps, against a clip that knows better."""

import numpy as np
import pytest

from tests.tiny import tiny_clip
from vdpm import derive
from vdpm.errors import UserError
from vdpm.geometry import pixel_centres, transform, unproject
from vdpm.pointmaps import correspondence, depth_of, focal, intrinsics, moving, pose, scene_flow, visible
from vdpm.raycast import Seen, visibility

CLIP = tiny_clip(frames=6, height=36, width=48)
CAMERAS = CLIP.cameras
HITS = derive.hits(CLIP, 0)
P, Q = derive.points(CLIP, HITS, 0), derive.points(CLIP, HITS, 5)
SEEN = np.isfinite(P).all(axis=-1)


def test_depth_is_that_of_the_clip():
    np.testing.assert_allclose(depth_of(P, CAMERAS.world_from_camera[0]), derive.depth(CLIP, 0), atol=1e-12)


def test_the_lens_comes_out_also_with_outliers_and_unknown_pixels():
    rng = np.random.default_rng(0)
    K = CAMERAS.K[0]
    local = unproject(derive.depth(CLIP, 0), K)
    np.testing.assert_allclose(intrinsics(local), K, rtol=1e-9)
    spoilt = local.copy()
    wild = rng.random(SEEN.shape) < 0.2
    spoilt[wild, :2] *= rng.uniform(0.5, 1.5, (wild.sum(), 1))
    assert focal(spoilt) == pytest.approx(K[0, 0], rel=2e-3)
    assert focal(spoilt, np.where(wild, 0.0, 1.0)) == pytest.approx(K[0, 0], rel=1e-9)
    assert np.isnan(focal(np.full((4, 4, 3), np.nan)))


def test_a_camera_comes_out_also_with_outliers():
    rng = np.random.default_rng(1)
    truth = CAMERAS.world_from_camera[3]
    points = derive.points(CLIP, derive.hits(CLIP, 3), 3)
    np.testing.assert_allclose(pose(points, CAMERAS.K[3], SEEN), truth, atol=1e-6)
    points[rng.random(SEEN.shape) < 0.3] += 2.0
    np.testing.assert_allclose(pose(points, CAMERAS.K[3], SEEN), truth, atol=1e-4)
    with pytest.raises(UserError, match="no camera fits"):
        pose(points, CAMERAS.K[3], np.zeros_like(SEEN))
    with pytest.raises(UserError, match="no camera fits"):
        pose(rng.normal(size=points.shape), CAMERAS.K[3], SEEN)


def test_flow_motion_and_correspondence_are_those_of_the_clip():
    np.testing.assert_allclose(scene_flow(P, Q), derive.scene_flow(CLIP, 0, 5))
    box = derive.bodies(CLIP, 0) == 1
    np.testing.assert_array_equal(moving(P, Q, CAMERAS.world_from_camera[0], 0.02), box)
    landed = correspondence(Q, CAMERAS.world_from_camera[5], CAMERAS.K[5])
    np.testing.assert_allclose(landed - pixel_centres(*SEEN.shape), derive.optical_flow(CLIP, 0, 5), atol=1e-9)


def test_visibility_agrees_with_rays():
    """But for pixels at edges, where depth is that of a neighbour."""
    ours = visible(Q, CAMERAS.world_from_camera[5], CAMERAS.K[5], derive.depth(CLIP, 5))
    cast = visibility(CLIP, HITS, 5) == Seen.VISIBLE
    assert (ours == cast)[SEEN].mean() > 0.94 and 0 < cast[SEEN].sum() < SEEN.sum()
    behind = transform(np.diag([1.0, 1.0, 1.0, 1.0]), Q) * np.nan
    assert not visible(behind, CAMERAS.world_from_camera[5], CAMERAS.K[5], derive.depth(CLIP, 5)).any()
