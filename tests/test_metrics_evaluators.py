"""The evaluators beyond their recorded numbers: closed forms, laws, edges, refusals, and faults that must be noticed."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from benchmark.evaluators import (
    depth,
    depth_fits,
    end_point,
    reconstruction,
    relative_pose,
    resampling,
    scene_flow,
    tapvid3d,
    trajectory,
    worldtrack,
)
from benchmark.metrics import METRICS
from benchmark.protocols import PROTOCOLS
from benchmark.scoring import measure, truth_of
from tests.tiny import tiny_clip
from vdpm.clip import Prediction, Truth
from vdpm.geometry import invert, rigid

CLIP = tiny_clip()


def path(seed: int, frames: int = 12) -> np.ndarray:
    rng = np.random.default_rng(seed)
    steps = rigid(Rotation.from_rotvec(0.2 * rng.normal(size=(frames, 3))).as_matrix(), rng.normal(size=(frames, 3)))
    poses = [np.eye(4)]
    for step in steps[1:]:
        poses.append(poses[-1] @ step)
    return np.stack(poses)


def random_depths(seed: int, shape: tuple[int, ...] = (3, 16, 20)) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.uniform(1.0, 20.0, shape).astype(np.float32)
    return (truth * rng.uniform(0.8, 1.2, shape)).astype(np.float32), truth


# Depth


def test_lower_median_is_the_lower_of_the_two_middle_values():
    assert depth_fits.lower_median(np.array([4.0, 1.0, 3.0, 2.0])) == 2.0
    assert depth_fits.lower_median(np.array([3.0, 1.0, 2.0])) == 2.0


@pytest.mark.parametrize("name", depth.PRESETS)
def test_every_depth_preset_undoes_what_it_may(name: str):
    _, truth = random_depths(0)
    ours = depth.PRESETS[name].evaluate(truth, truth)
    assert ours is not None and ours.abs_rel < 1e-5 and ours.delta1 == 1.0 and ours.valid_pixels == truth.size


@pytest.mark.parametrize("name", ["depthcrafter", "megasam", "vggt_omega"])
def test_scale_and_shift_presets_undo_scale_and_shift(name: str):
    _, truth = random_depths(1)
    prediction = 1 / (0.5 / truth + 0.02) if name == "depthcrafter" else 0.5 * truth + 3.0
    ours = depth.PRESETS[name].evaluate(prediction.astype(np.float32), truth)
    assert ours is not None and ours.abs_rel < 1e-4


def test_the_default_preset_is_what_the_video_protocol_reports():
    prediction, truth = random_depths(5, (2, 8, 9))
    frames = np.tile(np.eye(4), (2, 1, 1))
    record = Truth(
        K=frames[:, :3, :3],
        world_from_camera=frames,
        depth=truth,
        points=np.ones((0, 2, 8, 9, 3), np.float32),
        sources=(),
    )
    for ours, theirs in (("depth_absrel", "depth_default_absrel"), ("depth_delta125", "depth_default_delta1")):
        first, second = (measure(METRICS[name], record, Prediction(depth=prediction)).value for name in (ours, theirs))
        assert first == pytest.approx(second, rel=1e-12)


@pytest.mark.parametrize("name", depth.PRESETS)
def test_a_depth_preset_without_a_valid_pixel_has_no_number(name: str):
    prediction, truth = random_depths(2)
    assert depth.PRESETS[name].evaluate(prediction, np.full_like(truth, np.nan)) is None
    if name != "default":  # ours marks unknown depth as NaN alone
        assert depth.PRESETS[name].evaluate(prediction, np.zeros_like(truth)) is None


@pytest.mark.parametrize("name", depth.PRESETS)
def test_unknown_depth_does_not_count(name: str):
    prediction, truth = random_depths(3)
    truth[0, :4] = np.nan
    other = prediction.copy()
    other[0, :4] = 1e3
    first, second = (depth.PRESETS[name].evaluate(p, truth) for p in (prediction, other))
    assert first == second and first is not None and first.valid_pixels == truth.size - 4 * truth.shape[2]


def test_caps_are_strict_and_the_mask_comes_after_the_alignment():
    truth = np.array([[[1.0, 2.0, 70.0, 69.0]]], np.float32)
    prediction = np.array([[[1.0, 2.0, 1.0, 69.0]]], np.float32)
    ours = depth.sequence(prediction, truth, alignment="metric", caps=depth.CAPS["sintel"])
    assert ours is not None and ours.valid_pixels == 3 and ours.abs_rel == 0.0
    mask = np.array([[[True, False, False, False]]])
    masked = depth.sequence(2 * prediction, truth, alignment="median", caps=depth.CAPS["sintel"], mask=mask)
    assert masked is not None and masked.valid_pixels == 1 and masked.abs_rel == 0.0


def test_an_overshooting_resize_is_harmless_for_absrel_and_dominates_log_rmse():
    truth = np.full((1, 16, 16), 5.0, np.float32)
    prediction = np.full((1, 8, 8), 5.0, np.float32)
    prediction[:, :, :4] = 0.3  # an edge: INTER_CUBIC goes below zero beside it
    ours = depth.sequence(prediction, truth, alignment="metric", caps=depth.CAPS["kitti"])
    assert ours is not None and ours.abs_rel < 1.1 and ours.log_rmse > 3.0


def test_depthcrafter_is_a_mean_over_frames_and_monst3r_over_pixels():
    """One frame with a single wrong pixel and one with many right ones."""
    truth = np.full((2, 10, 10), np.nan, np.float32)
    truth[0, 0, :2], truth[1] = [2.0, 4.0], np.linspace(1, 9, 100).reshape(10, 10)
    prediction = np.nan_to_num(truth, nan=5.0)
    prediction[0, 0, 1] = 8.0
    by_frame = depth.depthcrafter(1 / prediction, truth)
    by_pixel = depth.sequence(prediction, truth, alignment="metric", caps=depth.CAPS["sintel"])
    assert by_frame is not None and by_pixel is not None
    assert by_pixel.abs_rel == pytest.approx(1 / 102) and by_frame.abs_rel > 0.2


def test_disparity_is_aligned_before_it_is_inverted():
    _, truth = random_depths(4)
    told = (3.0 / truth - 0.01).astype(np.float32)
    ours = depth.sequence(told, truth, alignment="lstsq", caps=depth.CAPS["kitti"], disparity=True)
    assert ours is not None and ours.abs_rel < 1e-4
    behind = depth.sequence(-told, truth, alignment="metric", caps=depth.CAPS["kitti"], disparity=True)
    assert behind is not None and behind.abs_rel == pytest.approx(1.0)  # not positive: depth 0


def test_megasam_reads_truth_at_the_size_of_its_output():
    truth = np.full((2, 436, 1024), 7.0, np.float32)
    assert depth.megasam_truth(truth).shape == (2, 288, 672)
    np.testing.assert_allclose(depth.megasam_truth(truth), 7.0, rtol=1e-6)


# Camera


def test_the_reference_refuses_still_and_straight_cameras():
    straight = path(0)
    straight[:, :3, 3] = np.outer(np.arange(12), [1.0, 0.0, 0.0])  # evo forgives a line that rounding bends
    still = path(0)
    still[:, :3, 3] = [1.0, 2.0, 3.0]
    for truth, prediction in ((straight, path(1)), (path(1), straight), (still, path(1)), (path(1), still)):
        with pytest.raises(trajectory.Refused, match="Degenerate covariance rank"):
            trajectory.monst3r(truth, prediction)


def test_a_refusal_is_a_blank_with_its_reason():
    truth = truth_of(CLIP, PROTOCOLS["pose_monst3r"].tasks(20)[0])  # its camera moves on a line
    score = measure(METRICS["pose_monst3r_ate"], truth, Prediction(world_from_camera=truth.world_from_camera))
    assert score.value is None and "Degenerate covariance rank" in score.note


@pytest.mark.parametrize("evaluate", [trajectory.monst3r, trajectory.megasam])
def test_trajectories_ignore_world_and_unit(evaluate):
    truth, prediction = path(0), path(1)
    world = rigid(Rotation.from_rotvec([0.3, 1.0, -2.0]).as_matrix(), np.array([4.0, 5.0, 6.0]))
    elsewhere = world @ prediction
    elsewhere[:, :3, 3] *= 7.3
    first, second = evaluate(truth, prediction), evaluate(truth, elsewhere)
    assert vars(second) == pytest.approx(vars(first), rel=1e-9)
    perfect = evaluate(truth, world @ truth)
    assert max(vars(perfect).values()) < 1e-5


def test_megasam_measures_in_distances_from_first_to_last_camera():
    truth, prediction = path(0), path(1)
    larger = truth.copy()
    larger[:, :3, 3] *= 10.0
    one, ten = (trajectory.megasam(each, prediction) for each in (truth, larger))
    assert vars(ten) == pytest.approx(vars(one), rel=1e-6)


@pytest.mark.parametrize("convention", relative_pose.CONVENTIONS)
def test_relative_poses_of_the_truth_are_perfect_in_any_world_and_unit(convention: str):
    truth = path(0)
    elsewhere = rigid(Rotation.from_rotvec([0.3, 1.0, -2.0]).as_matrix(), np.array([4.0, 5.0, 6.0])) @ truth
    elsewhere[:, :3, 3] *= 0.01
    errors = relative_pose.pair_errors(invert(truth), invert(elsewhere), convention)
    assert errors.maximum.max() < 1e-4 and len(errors.maximum) == 66
    assert all(relative_pose.auc(errors, threshold) == 1.0 for threshold in relative_pose.THRESHOLDS)


def test_conventions_agree_on_rotation_and_not_on_translation():
    truth, prediction = invert(path(0)), invert(path(1))
    vggt, pi3, da3 = (relative_pose.pair_errors(truth, prediction, name) for name in ("vggt", "pi3", "da3"))
    np.testing.assert_allclose(vggt.rotation, pi3.rotation, atol=1e-6)
    assert not np.allclose(vggt.translation, pi3.translation) and not np.allclose(vggt.rotation, da3.rotation)


def test_auc_counts_an_error_of_exactly_the_threshold_and_rra_does_not():
    errors = relative_pose.PairErrors(rotation=np.array([0.0, 1.0, 3.0, 3.1]), translation=np.zeros(4))
    assert relative_pose.auc(errors, 3) == pytest.approx((1 / 4 + 2 / 4 + 3 / 4) / 3)
    assert relative_pose.rra(errors, 3) == 2 / 4


def test_directions_are_lines_and_a_translation_of_zero_is_off_by_ninety_degrees():
    one, other = np.array([[1.0, 0, 0]] * 3), np.array([[-2.0, 0, 0], [0, 0, 0], [1.0, 1.0, 0]])
    np.testing.assert_allclose(relative_pose.direction_degrees(one, other), [0.0, 90.0, 45.0], atol=1e-5)


# Motion


def tracks(seed: int, times: int = 8, points: int = 30) -> np.ndarray:
    rng = np.random.default_rng(seed)
    start = rng.uniform([-2, -2, 3], [2, 2, 8], (points, 3))
    return (start + np.cumsum(0.1 * rng.normal(size=(times, points, 3)), axis=0)).astype(np.float32)


def test_nothing_visible_has_no_scale_and_no_point_within():
    """The reference's NaN: every comparison is false."""
    truth = tapvid3d.Tracks(xyz=tracks(0), visible=np.ones((8, 30), bool))
    blind = tapvid3d.Tracks(xyz=tracks(0), visible=np.zeros((8, 30), bool))
    queries = np.zeros((30, 3), np.float32)
    ours = tapvid3d.score(truth, blind, queries, np.full(4, 256.0, np.float32), (256, 256))
    assert (ours.average_within, ours.average_jaccard, ours.occlusion_accuracy) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("fixed", [False, True])
@pytest.mark.parametrize("scaling", tapvid3d.SCALINGS)
def test_tapvid3d_calls_the_truth_perfect(scaling: str, fixed: bool):
    truth = tapvid3d.Tracks(xyz=tracks(0), visible=np.random.default_rng(0).random((8, 30)) < 0.8)
    queries = np.zeros((30, 3), np.float32)
    focal = np.full(4, 256.0, np.float32)
    ours = tapvid3d.score(truth, truth, queries, focal, (256, 256), scaling=scaling, fixed=fixed)
    assert (ours.average_within, ours.average_jaccard, ours.occlusion_accuracy) == (1.0, 1.0, 1.0)


def test_an_unknown_scaling_is_answered_with_the_list():
    truth = tapvid3d.Tracks(xyz=tracks(0), visible=np.ones((8, 30), bool))
    with pytest.raises(ValueError, match="unknown scaling 'mode': choose one of median, mean, none"):
        tapvid3d.score(truth, truth, np.zeros((30, 3)), np.full(4, 256.0), (256, 256), scaling="mode")


def test_worldtrack_thresholds_include_their_boundary():
    truth = np.zeros((1, 4, 3))
    truth[..., 2] = 1.0
    aligned = truth.copy()
    aligned[0, :, 0] = [0.0, 0.5, 1.0, 1.5]
    ours = worldtrack.track_errors(truth, aligned)
    assert ours is not None and ours.within == (0.25, 0.25, 0.5, 0.75) and ours.epe == 0.75


def test_closed_sim3_undoes_a_similarity_and_its_scale_of_a_mirror_is_not_umeyamas():
    truth = tracks(0).astype(np.float64)
    turned = (truth @ Rotation.from_rotvec([0.3, 1.0, -2.0]).as_matrix().T * 0.3 + [1.0, 2.0, 3.0]).astype(np.float64)
    np.testing.assert_allclose(worldtrack.align_closed(truth, turned), truth, atol=1e-9)
    mirrored = truth.reshape(-1, 3) * [-1, 1, 1]
    scale, rotation, _ = worldtrack.closed_form(mirrored, truth.reshape(-1, 3))
    x, y = (points - points.mean(axis=0) for points in (mirrored, truth.reshape(-1, 3)))
    assert np.linalg.det(rotation) == pytest.approx(1.0)
    assert scale > (y * (x @ rotation.T)).sum() / (x**2).sum() + 0.01


def test_ransac_is_repeatable_and_ignores_outliers():
    truth = tracks(0)
    prediction = 0.5 * truth
    prediction[:, :5] += 4.0
    first, second = (worldtrack.four_rc(truth, prediction, np.random.default_rng(3)) for _ in range(2))
    assert first == second
    assert first.all.apd == pytest.approx(25 / 30, abs=0.02)
    assert worldtrack.st4rtrack(truth, prediction).all.apd < 0.5


def test_the_divisor_of_dynamic_epe_is_all_videos():
    still = np.tile(tracks(0)[:1], (8, 1, 1))
    videos = [worldtrack.st4rtrack(tracks(0), tracks(1)), worldtrack.st4rtrack(still, still)]
    ours = worldtrack.average(videos)
    assert videos[0].dynamic is not None and videos[1].dynamic is None
    assert ours["apd_dynamic"] == videos[0].dynamic.apd and ours["epe_dynamic"] == videos[0].dynamic.epe / 2
    assert ours["epe_dynamic_own"] == videos[0].dynamic.epe


def test_points_are_read_where_the_first_frame_sees_them():
    points = np.array([[[0.0, 0, 1], [0.999, 0, 1], [1.0, 0, 1], [-1.01, 0, 1], [0.0, 0, 1]]])
    visible = np.array([[True, True, True, True, False]])
    kept, pixel = worldtrack.seen_first(points, visible, np.array([8.0, 8.0, 8.0, 8.0]), (16, 16), (32, 32))
    assert kept.tolist() == [True, True, False, False, False] and pixel.tolist() == [[16, 16], [31, 16]]


def test_tracks_come_to_the_first_camera():
    world = tracks(0).astype(np.float64)
    poses = path(2, 8)
    camera = np.einsum("tab,tnb->tna", invert(poses)[:, :3, :3], world) + invert(poses)[:, None, :3, 3]
    first = worldtrack.to_first_camera(camera, invert(poses))
    np.testing.assert_allclose(first, world @ poses[0, :3, :3] - poses[0, :3, 3] @ poses[0, :3, :3], atol=1e-9)
    assert worldtrack.to_first_camera(camera, None) is camera


def test_syn4d_counts_valid_entries_and_has_one_scale_for_all():
    truth = tracks(0)
    prediction = 0.25 * truth
    prediction[3, 4] = 100.0
    valid = np.ones((8, 30), bool)
    valid[3, 4] = False
    ours = worldtrack.syn4d(truth, prediction, valid)
    assert ours.scale == pytest.approx(4.0) and ours.score == 1.0 and ours.all.epe == pytest.approx(0.0, abs=1e-5)
    assert ours.all.count == 8 * 30 - 1
    half = worldtrack.syn4d(truth, prediction, valid, dynamic=np.arange(30) < 10)
    assert half.dynamic is not None and half.dynamic.count == 79
    nothing = worldtrack.syn4d(truth, prediction, valid, dynamic=np.zeros(30, bool))
    assert nothing.dynamic is None and nothing.score == nothing.all.apd


def test_scene_flow_of_known_errors():
    truth = np.array([[1.0, 0, 0]] * 5)
    claimed = truth + np.array([[0, 0, 0], [0.04, 0, 0], [0.07, 0, 0], [0.2, 0, 0], [0.5, 0, 0]])
    ours = scene_flow.scene_flow(truth, claimed)
    assert ours is not None and ours.epe3d == pytest.approx(0.162)
    assert (ours.acc_strict, ours.acc_relaxed, ours.outliers, ours.count) == (0.4, 0.6, 0.4, 5)
    assert scene_flow.scene_flow(truth, claimed, np.zeros(5, bool)) is None


def test_per_map_normalisation_forgives_a_scale_of_each_map():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(2, 2, 3, 4, 3)) + [0, 0, 5.0]
    prediction = truth * np.array([[1.0, 2.0], [3.0, 4.0]])[..., None, None, None]
    np.testing.assert_allclose(end_point.distances(truth, prediction, "per_map"), 0.0, atol=1e-12)
    assert end_point.distances(truth, prediction, "joint").min() > 0.01


# Point clouds


def room(seed: int, count: int = 1500) -> np.ndarray:
    """Points on three walls."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(0, 2, (count, 3))
    points[np.arange(count), np.arange(count) % 3] = 0.0
    return points


def test_a_cloud_is_perfect_to_itself_and_after_a_similarity():
    truth = room(0)
    turned = truth @ Rotation.from_rotvec([0.3, 1.0, -2.0]).as_matrix().T * 0.3 + 1.0
    errors = reconstruction.cloud_errors(reconstruction.align(turned, truth), truth)
    assert errors.chamfer < 1e-9 and errors.normals > 0.999 and errors.f_score == 1.0


def test_accuracy_and_completion_of_a_shifted_wall():
    grid = np.stack([*np.meshgrid(np.arange(30.0), np.arange(30.0)), np.zeros((30, 30))], axis=-1).reshape(-1, 3)
    errors = reconstruction.cloud_errors(grid[:450] + [0, 0, 0.25], grid, threshold=0.3)
    assert errors.accuracy == pytest.approx(0.25) and errors.completion > 3.0
    assert errors.f_score == pytest.approx(2 / 3, abs=0.01) and errors.normals > 0.99


def test_icp_finds_a_small_rigid_motion_and_ignores_what_is_out_of_reach():
    truth = room(0)
    moved = truth @ Rotation.from_rotvec([0.004, -0.006, 0.005]).as_matrix().T + [0.01, -0.008, 0.006]
    assert np.abs(reconstruction.icp(moved, truth) - truth).max() < 2e-3
    far = truth + 50.0
    np.testing.assert_array_equal(reconstruction.icp(far, truth), far)


# Statistics


def test_bootstrap_brackets_the_mean_and_is_repeatable():
    values = np.random.default_rng(0).normal(3.0, 1.0, 50)
    first, second = (resampling.bootstrap(values, np.random.default_rng(1)) for _ in range(2))
    assert first == second and first.low < values.mean() < first.high
    assert first.high - first.low == pytest.approx(2 * 1.96 * values.std() / 50**0.5, rel=0.1)
    lonely = resampling.bootstrap(values[:1], np.random.default_rng(1))
    assert lonely.low == lonely.mean == lonely.high


def test_a_paired_comparison_sees_what_two_intervals_do_not():
    rng = np.random.default_rng(0)
    first = rng.normal(3.0, 1.0, 30)
    second = first - 0.1 + 0.02 * rng.normal(size=30)
    ours = resampling.compare(first, second, np.random.default_rng(1))
    assert ours.p_value < 1e-3 and ours.second_lower == 30 and ours.difference.high < 0
    same = resampling.compare(first, first, np.random.default_rng(1))
    assert same.p_value == 1.0 and same.first_lower == same.second_lower == 0
