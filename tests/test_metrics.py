"""Numbers three ways: closed forms, laws, and an independent implementation. Then the oracle, on everything."""

import os
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from benchmark.align import is_line, is_static, l1_scale, similarity
from benchmark.metrics import METRICS, MOVING_METRES, Score, moving
from benchmark.protocols import PROTOCOLS, Task
from benchmark.registry import find_method, start
from benchmark.scoring import measure, score, show, truth_of
from tests.tiny import tiny_clip, truth_like
from vdpm.clip import Prediction

CLIP = tiny_clip()
FIXTURE = Path(__file__).parent / "fixtures" / "pose.npz"
POSE = ("pose_ate", "pose_rpe_translation", "pose_rpe_rotation")


def poses(centres: np.ndarray, rotations: Rotation) -> np.ndarray:
    matrices = np.tile(np.eye(4), (len(centres), 1, 1))
    matrices[:, :3, :3] = rotations.as_matrix()
    matrices[:, :3, 3] = centres
    return matrices


def random_path(seed: int, frames: int = 12) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return poses(rng.normal(size=(frames, 3)), Rotation.random(frames, rng=rng))


def pose_values(truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """ATE, RPE-t, RPE-r; NaN for a blank."""
    scores = [measure(METRICS[name], truth_like(world_from_camera=truth), Prediction(world_from_camera=prediction))
              for name in POSE]  # fmt: skip
    return np.array([number(score) for score in scores])


def moved(path: np.ndarray, scale: float, rotation: Rotation, shift: np.ndarray) -> np.ndarray:
    """The same path in another world frame and another unit."""
    return poses(scale * rotation.apply(path[:, :3, 3]) + shift, rotation * Rotation.from_matrix(path[:, :3, :3]))


# Closed forms


def depth_value(name: str, target: list[float], depth: list[float]) -> float | None:
    shape = (1, 1, len(target))
    truth = truth_like(depth=np.array(target, np.float32).reshape(shape))
    return measure(METRICS[name], truth, Prediction(depth=np.array(depth, np.float32).reshape(shape))).value


def test_absrel_and_delta_of_known_ratios():
    # Ratios g/p are 1, 1, 1, 2 with equal weights: the L1 scale is 1, and one pixel of four is off by a half.
    assert depth_value("depth_absrel", [1, 1, 1, 2], [1, 1, 1, 1]) == pytest.approx(0.5 / 4)
    assert depth_value("depth_delta125", [1, 1, 1, 2], [1, 1, 1, 1]) == pytest.approx(3 / 4)


def test_delta_is_strict_and_symmetric():
    assert depth_value("depth_delta125", [4, 4, 4, 4, 5, 5], [4, 4, 4, 4, 4, 6.25]) == pytest.approx(4 / 6)


def test_pixels_without_truth_do_not_count():
    assert depth_value("depth_absrel", [1, 1, np.nan], [2, 2, 7]) == 0.0
    assert depth_value("depth_absrel", [np.nan, np.nan], [2, 2]) is None


def test_depth_that_is_nowhere_positive_is_a_blank():
    assert depth_value("depth_absrel", [1, 2], [-1, 0]) is None


def test_l1_scale_is_the_weighted_median():
    # Ratios 1, 2, 3 with weights 1, 1, 5: the heavy one decides, where the plain median would say 2.
    assert l1_scale(np.array([1.0, 1.0, 5.0]), np.array([1.0, 2.0, 15.0])) == 3.0


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.floats(0.1, 10), st.floats(0.1, 10)), min_size=1, max_size=9))
def test_no_scale_has_a_smaller_l1_error(pairs: list[tuple[float, float]]):
    depth, target = np.array(pairs).T
    cost = [np.abs(s * depth - target).sum() for s in (l1_scale(depth, target), *(target / depth))]
    assert cost[0] <= min(cost) + 1e-9


def test_epe_of_a_known_shift():
    # One pixel 2 m ahead: both are brought to norm 1, so an answer twice as far is right, one to the side is sqrt(2) off.
    truth = truth_like(points=np.array([[[[[0, 0, 2]]], [[[0, 0, 2]]]]], np.float32))
    for answer, expected in (([0, 0, 4], 0.0), ([3, 0, 0], np.sqrt(2)), ([0, 0, -1], 2.0)):
        points = np.broadcast_to(np.array(answer, np.float32), truth.points.shape).copy()
        assert measure(METRICS["epe_track"], truth, Prediction(points=points)).value == pytest.approx(expected)


def test_the_four_maps_are_told_apart_and_share_one_norm():
    base = np.full((2, 2, 1, 1, 3), [0, 0, 1], np.float32)
    for source, time in np.ndindex(2, 2):
        points = base.copy()
        points[source, time, 0, 0] = [0, 0, 5]  # the joint mean norm of the four maps becomes 2
        for other in np.ndindex(2, 2):
            name = f"epe_p{other[0]}_t{other[1]}"
            value = measure(METRICS[name], truth_like(points=base), Prediction(points=points)).value
            assert value == pytest.approx(1.5 if other == (source, time) else 0.5)


def test_moving_is_further_than_a_centimetre_between_any_two_times():
    path = np.zeros((1, 3, 1, 3, 3), np.float32)
    path[0, :, 0, 0, 0] = [0.0, 0.9 * MOVING_METRES, 0.0]
    path[0, :, 0, 1, 0] = [0.0, 1.1 * MOVING_METRES, 0.0]  # out and back
    path[0, :, 0, 2, 0] = [0.0, 0.6 * MOVING_METRES, -0.6 * MOVING_METRES]  # far only between the last two
    assert moving(path).ravel().tolist() == [False, True, True]


def test_no_moving_pixel_is_a_blank_with_a_reason():
    truth = truth_like(points=np.ones((2, 2, 1, 1, 3), np.float32))
    answer = measure(METRICS["epe_p0_t1_moving"], truth, Prediction(points=truth.points))
    assert answer.value is None and answer.note == "no moving pixel"


def test_points_all_at_the_origin_are_a_blank():
    truth = truth_like(points=np.ones((1, 2, 1, 1, 3), np.float32))
    assert measure(METRICS["epe_track"], truth, Prediction(points=np.zeros((1, 2, 1, 1, 3), np.float32))).value is None


def test_rpe_of_a_known_motion():
    # The truth turns 10 degrees a frame about z, the answer 13: 3 degrees a frame, the centres being the same.
    frames = np.arange(6)
    centres = np.stack([np.cos(frames), np.sin(frames), 0.1 * frames**2], axis=-1)
    true, claimed = (
        poses(centres, Rotation.from_euler("z", step * frames[:, None], degrees=True)) for step in (10, 13)
    )
    ate, _, rotation = pose_values(true, claimed)
    assert ate == pytest.approx(0.0, abs=1e-12)
    assert rotation == pytest.approx(3.0)


# Pose: public numbers, an independent implementation, and what evo refuses


def by_hand(truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """ATE, RPE-t and RPE-r written down once more, by Horn's quaternion method instead of Umeyama's."""
    x, y = prediction[:, :3, 3], truth[:, :3, 3]
    xc, yc = x - x.mean(0), y - y.mean(0)
    rotation = Rotation.align_vectors(yc, xc)[0]
    scale = (yc * rotation.apply(xc)).sum() / (xc**2).sum()
    aligned = moved(prediction, scale, rotation, y.mean(0) - scale * rotation.apply(x.mean(0)))
    errors = []
    for i in range(len(truth) - 1):
        true_step = np.linalg.inv(truth[i]) @ truth[i + 1]
        errors.append(np.linalg.inv(true_step) @ np.linalg.inv(aligned[i]) @ aligned[i + 1])
    angles = [Rotation.from_matrix(error[:3, :3]).magnitude() for error in errors]
    ate = np.linalg.norm(aligned[:, :3, 3] - y, axis=1)
    steps = np.linalg.norm([error[:3, 3] for error in errors], axis=1)
    return np.array([np.sqrt(np.mean(np.square(error))) for error in (ate, steps, np.degrees(angles))])


@pytest.mark.parametrize("sequence", ["a", "b"])
def test_pose_metrics_agree_with_public_evaluators(sequence: str):
    with np.load(FIXTURE, allow_pickle=False) as arrays:
        values = pose_values(arrays[f"truth_{sequence}"], arrays[f"prediction_{sequence}"])
        np.testing.assert_allclose(values, arrays[f"expected_{sequence}"], rtol=0, atol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_pose_metrics_agree_with_an_independent_implementation(seed: int):
    truth, prediction = random_path(seed), random_path(seed + 100)
    np.testing.assert_allclose(pose_values(truth, prediction), by_hand(truth, prediction), rtol=1e-9, atol=1e-12)


def test_similarity_is_evos_wherever_evo_answers():
    from evo.core.geometry import umeyama_alignment

    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 9, 3))
    ours, (rotation, translation, scale) = similarity(x, y), umeyama_alignment(x.T, y.T, with_scale=True)
    np.testing.assert_allclose(ours.rotation, rotation, atol=1e-12)
    np.testing.assert_allclose([*ours.translation, ours.scale], [*translation, scale], atol=1e-12)


def line(bend: float, frames: int = 12) -> np.ndarray:
    """A camera on a line, or on one bent by a share of its length, that turns as it goes."""
    t = np.linspace(0, 1, frames)
    turn = Rotation.from_euler("xyz", np.stack([20 * t, 5 * t**2, -9 * t], axis=-1), degrees=True)
    return poses(np.stack([1 + 2 * t, 3 * t, -t], axis=-1) + bend * np.sin(7 * t)[:, None] * [1, 0, 2], turn)


@pytest.mark.parametrize("bend", [0.0, 1e-16, 1e-12, 1e-9, 1e-6, 1e-3, 0.1])
def test_a_line_is_scored_and_scored_continuously(bend: float):
    truth, prediction = line(bend), line(bend)
    prediction[:, :3, 3] += 0.05 * np.sin(11 * np.arange(12))[:, None] * np.array([0.3, -0.1, 0.3])
    elsewhere = moved(truth, 3.7, Rotation.from_euler("xyz", [1, 2, 3]), np.array([5.0, -4.0, 3.0]))
    np.testing.assert_allclose(pose_values(truth, elsewhere), 0.0, atol=1e-6 if bend else 1e-9)
    straight = line(0.0)
    faulty = prediction - truth + straight
    near, exact = pose_values(truth, prediction), pose_values(straight, faulty)
    np.testing.assert_allclose(near, exact, atol=10 * bend + 1e-9)


@pytest.mark.parametrize("bend", [0.0, 1e-16, 1e-3, 0.1])
def test_oracle_is_perfect_on_any_path(bend: float):
    elsewhere = moved(line(bend), 3.7, Rotation.from_euler("xyz", [1, 2, 3]), np.array([5.0, -4.0, 3.0]))
    for answer in (line(bend), elsewhere):
        np.testing.assert_allclose(pose_values(line(bend), answer), 0.0, atol=1e-9)


def test_degeneracy_is_decided_by_the_documented_ratio():
    assert is_line(line(0.0)[:, :3, 3]) and is_line(line(1e-6)[:, :3, 3]) and not is_line(line(0.1)[:, :3, 3])
    assert not is_static(line(0.0)[:, :3, 3]) and is_static(np.tile([1e3, 2e3, 3e3], (5, 1)))
    note = measure(
        METRICS["pose_ate"], truth_like(world_from_camera=line(0.0)), Prediction(world_from_camera=line(0.0))
    ).note
    assert "line" in note


def test_a_camera_that_stands_still_has_no_ate_but_a_rotation_error():
    frames = np.arange(8)
    truth = poses(np.tile([1.0, 2.0, 3.0], (8, 1)), Rotation.from_euler("z", 2.0 * frames[:, None], degrees=True))
    ate, translation, rotation = pose_values(truth, random_path(0, 8))
    assert np.isnan(ate) and np.isnan(translation) and rotation > 1.0
    assert pose_values(truth, truth)[2] == pytest.approx(0.0, abs=1e-9)


def test_an_answer_that_stands_still_is_as_wrong_as_the_path_is_long():
    truth = random_path(3)
    still = poses(np.tile([0.1, 0.2, 0.3], (12, 1)), Rotation.identity(12))
    spread = np.sqrt(((truth[:, :3, 3] - truth[:, :3, 3].mean(0)) ** 2).sum(1).mean())
    assert pose_values(truth, still)[0] == pytest.approx(spread)


def test_one_frame_has_no_relative_motion():
    assert np.isnan(pose_values(random_path(0, 1), random_path(1, 1))).all()


def test_scoring_poses_leaves_the_home_folder_alone(tmp_path: Path):
    environment = {**os.environ, "HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", "import benchmark.metrics"], env=environment, capture_output=True)
    assert done.returncode == 0 and not done.stdout and not list(tmp_path.iterdir())


# Laws


def tasks_of(protocol: str) -> list[Task]:
    return PROTOCOLS[protocol].tasks(len(CLIP.rgb))


@cache
def answers(method: str, protocol: str) -> tuple[Prediction, ...]:
    if method == "lost":  # turns wildly, unlike any registered method
        told = answers("plane", protocol)
        paths = (random_path(seed, len(task.frames)) for seed, task in enumerate(tasks_of(protocol)))
        return tuple(
            replace(told, world_from_camera=path, visible=all_seen(told))
            for told, path in zip(told, paths, strict=True)
        )
    answer = start(find_method(method))
    return tuple(answer(show(CLIP, task), truth_of(CLIP, task, with_seen=True)) for task in tasks_of(protocol))


def all_seen(prediction: Prediction) -> np.ndarray:
    """The claim that nothing is ever hidden."""
    assert prediction.points is not None
    return np.ones(prediction.points.shape[:-1], bool)


@cache
def told_scores(method: str, protocol: str) -> dict[str, float]:
    return scores_of(protocol, answers(method, protocol))


def scores_of(protocol: str, predictions: tuple[Prediction, ...]) -> dict[str, float]:
    """Values by metric; NaN for a blank."""
    names = PROTOCOLS[protocol].metrics
    values = score(CLIP, tasks_of(protocol), predictions, [METRICS[name] for name in names])
    return {name: number(value) for name, value in zip(names, values, strict=True)}


def number(score: Score) -> float:
    return np.nan if score.value is None else score.value


def scaled(prediction: Prediction, factor: float) -> Prediction:
    """The same answer in another unit of length."""
    assert prediction.world_from_camera is not None and prediction.points is not None
    assert prediction.depth is not None
    cameras = prediction.world_from_camera.copy()
    cameras[:, :3, 3] *= factor
    return replace(
        prediction,
        world_from_camera=cameras,
        depth=(prediction.depth * factor).astype(np.float32),
        points=(prediction.points * factor).astype(np.float32),
    )


SCORED = [name for name in PROTOCOLS if name != "cost"]
UNSTABLE = {"depth_cut3r": 2e-2, "worldtrack_st4rtrack": 5e-3, "reconstruction": 0.2}
"""Ten reweighting steps, shares within a fixed distance and normals of points that coincide hang on the last bit."""


@pytest.mark.parametrize("protocol", SCORED)
@pytest.mark.parametrize("factor", [0.01, 7.3])
def test_every_metric_ignores_the_unit_of_length(protocol: str, factor: float):
    for method in ("still", "plane"):
        told = answers(method, protocol)
        base, other = scores_of(protocol, told), scores_of(protocol, tuple(scaled(p, factor) for p in told))
        assert base.keys() == other.keys()
        for name in base:
            if METRICS[name].unit_free:
                tolerance = UNSTABLE.get(protocol, 1e-6)
                assert other[name] == pytest.approx(base[name], rel=1e-4, abs=tolerance, nan_ok=True), name


def test_evaluators_that_mind_the_unit_say_so():
    told = answers("plane", "depth_monst3r")
    base, other = (scores_of("depth_monst3r", tuple(scaled(p, s) for p in told)) for s in (1.0, 100.0))
    assert abs(base["depth_monst3r_absrel"] - other["depth_monst3r_absrel"]) > 1e-4
    assert not METRICS["depth_monst3r_absrel"].unit_free


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.01, 100))
def test_pose_metrics_ignore_the_world_frame(seed: int, factor: float):
    rng = np.random.default_rng(seed)
    truth, prediction = random_path(seed), random_path(seed + 1)
    elsewhere = moved(prediction, factor, Rotation.random(rng=rng), rng.normal(size=3))
    np.testing.assert_allclose(pose_values(truth, elsewhere), pose_values(truth, prediction), rtol=1e-6, atol=1e-9)


# The registries

REFUSED = ("pose_monst3r_ate", "pose_monst3r_rpe_translation", "pose_monst3r_rpe_rotation")
"""On our clip, whose camera moves on a line; tests/test_metrics_evaluators.py has one that does not."""
NOWHERE = ("visibility_pair2 seen_outside", *(f"visibility{of} seen_outside_moving" for of in ("", "_pair2", "_pair8")))
"""What moves in our clip stays in the frame, and within two frames all else does."""


@pytest.mark.parametrize("protocol", SCORED)
def test_the_oracle_is_perfect(protocol: str):
    for name, value in told_scores("oracle", protocol).items():
        perfect = 0.0 if METRICS[name].better == "lower" else 1.0
        if name in REFUSED or f"{protocol} {name}" in NOWHERE:
            assert np.isnan(value), name
        else:
            own = not PROTOCOLS[protocol].asks  # the evaluators round to single precision or add epsilons
            assert value == pytest.approx(perfect, abs=1e-9 if own else 1e-5), name


@pytest.mark.parametrize("name", [name for name, metric in METRICS.items() if metric.needs != "cost"])
def test_every_metric_tells_the_oracle_from_some_method(name: str):
    protocols = [protocol for protocol in PROTOCOLS if name in PROTOCOLS[protocol].metrics]
    assert protocols, "no protocol reports this metric"
    for protocol in protocols:
        if name in REFUSED or f"{protocol} {name}" in NOWHERE:
            continue
        others = [told_scores(method, protocol)[name] for method in ("still", "plane", "lost")]
        best = told_scores("oracle", protocol)[name]
        assert any(abs(value - best) > 1e-3 for value in others), protocol


@pytest.mark.parametrize(("kind", "codes"), [("visible", (1,)), ("hidden", (2, 3)), ("outside", (4, 5))])
def test_an_error_is_counted_where_its_points_are_seen_or_not(kind: str, codes: tuple[int, ...]):
    """Truth but for one kind of points, which are a metre off."""
    truth = truth_of(CLIP, tasks_of("visibility")[0], with_seen=True)
    assert truth.seen is not None
    wrong = np.isin(truth.seen, codes)
    points = np.nan_to_num(truth.points, nan=9.0) + wrong[..., None] * np.array([1.0, 0.0, 0.0], np.float32)
    told = scores_of("visibility", (Prediction(points=points),))
    others = [told[f"seen_{name}"] for name in ("visible", "hidden", "outside") if name != kind]
    assert wrong.any() and told[f"seen_{kind}"] > 4 * max(others)  # the norm of all moves a little


def test_claimed_visibility_moves_what_should_notice():
    """Hidden points claimed as seen cost AJ and OA, and leave APD alone."""
    task = tasks_of("tapvid3d")[0]
    truth = truth_of(CLIP, task, with_seen=True)
    told = start(find_method("oracle"))(show(CLIP, task), truth)
    right, wrong = scores_of("tapvid3d", (told,)), scores_of("tapvid3d", (replace(told, visible=all_seen(told)),))
    assert right["tapvid3d_median_oa"] == 1.0 and right["tapvid3d_median_aj"] == 1.0
    assert wrong["tapvid3d_median_oa"] < 0.99 and wrong["tapvid3d_median_aj"] < 0.99
    assert wrong["tapvid3d_median_apd"] == right["tapvid3d_median_apd"] == 1.0
    silent = scores_of("tapvid3d", (replace(told, visible=None),))
    assert np.isnan(silent["tapvid3d_median_oa"]) and silent["tapvid3d_median_apd"] == 1.0
    blind = scores_of("tapvid3d", (replace(told, world_from_camera=None),))
    assert np.isnan(blind["tapvid3d_median_apd"])


def test_still_is_wrong_where_things_move():
    told = scores_of("vdpm_pair8", answers("still", "vdpm_pair8"))
    for own, other in (("epe_p0_t0", "epe_p0_t1"), ("epe_p1_t1", "epe_p1_t0")):
        assert told[f"{other}_moving"] > 5 * told[other] > 0
        assert told[own] < 0.1 * told[f"{other}_moving"]  # not zero: all maps share one norm, and two of them are wrong
    assert all(value in (0.0, 1.0) or value < 1e-9 for value in scores_of("video", answers("still", "video")).values())


def test_a_clip_scores_the_mean_over_the_tasks_that_have_a_value():
    tasks, told = tasks_of("vdpm_pair8"), answers("plane", "vdpm_pair8")
    metric = METRICS["epe_p0_t1"]
    single = [number(measure(metric, truth_of(CLIP, task), answer)) for task, answer in zip(tasks, told, strict=True)]
    assert len(set(single)) == 4
    assert scores_of("vdpm_pair8", told)["epe_p0_t1"] == pytest.approx(np.mean(single))
    silent = (Prediction(), *told[1:])
    assert scores_of("vdpm_pair8", silent)["epe_p0_t1"] == pytest.approx(np.mean(single[1:]))


@pytest.mark.parametrize("protocol", SCORED)
def test_what_is_not_claimed_is_a_blank(protocol: str):
    silent = tuple(Prediction() for _ in tasks_of(protocol))
    assert all(np.isnan(value) for value in scores_of(protocol, silent).values())


# Planted faults


def test_planted_faults_move_the_metric():
    task = tasks_of("video")[0]
    truth, told = truth_of(CLIP, task), answers("oracle", "video")[0]
    assert told.world_from_camera is not None and told.depth is not None
    inverted = np.linalg.inv(told.world_from_camera)
    assert pose_values(truth.world_from_camera, inverted)[1] > 1e-3
    backwards = told.world_from_camera[::-1].copy()
    assert (pose_values(truth.world_from_camera, backwards)[1:] > 1e-2).all()
    late = Prediction(depth=np.roll(told.depth, 1, axis=0))
    assert number(measure(METRICS["depth_absrel"], truth, late)) > 1e-3
    shifted = Prediction(depth=np.roll(told.depth, 1, axis=2))
    assert number(measure(METRICS["depth_absrel"], truth, shifted)) > 1e-3


@pytest.mark.parametrize("fault", ["other camera", "times swapped", "half a pixel"])
def test_planted_faults_move_the_end_point_error(fault: str):
    task = tasks_of("vdpm_pair8")[1]
    truth = truth_of(CLIP, task)
    points = np.nan_to_num(truth.points, nan=1.0)
    if fault == "other camera":
        first_from_second = np.linalg.inv(truth.world_from_camera[1]) @ truth.world_from_camera[0]
        points = (points @ first_from_second[:3, :3].T + first_from_second[:3, 3]).astype(np.float32)
    if fault == "times swapped":
        points = points[:, ::-1].copy()
    if fault == "half a pixel":
        points[..., 0] += 0.5 * points[..., 2] / truth.K[0, 0, 0]
    value = measure(METRICS["epe_p0_t1"], truth, Prediction(points=points)).value
    assert value is not None and value > 1e-3
