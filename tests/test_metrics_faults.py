"""Planted faults: which metric must notice, what is reported, and that answers are shared only where they may be."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from benchmark.evaluators import (
    depth,
    tapvid3d,
    trajectory,
)
from benchmark.metrics import METRICS, MIX_UP, PRESET_METRICS, Metric
from benchmark.protocols import PROTOCOLS, Task
from benchmark.score import once
from benchmark.scoring import measure, truth_of
from tests.test_metrics_evaluators import path, tracks
from tests.tiny import tiny_clip
from vdpm import derive
from vdpm.clip import Prediction, Truth
from vdpm.geometry import invert, rigid, transform, unproject

CLIP = tiny_clip()


def video() -> Truth:
    return truth_of(CLIP, PROTOCOLS["video"].tasks(20)[0])


def pair() -> Truth:
    return truth_of(CLIP, PROTOCOLS["vdpm_pair8"].tasks(20)[1])


def moved_by(metric: str, truth: Truth, prediction: Prediction) -> bool:
    """Whether a metric says that a prediction is off."""
    value = measure(METRICS[metric], truth, prediction).value
    assert value is not None, metric
    return abs(value - (0.0 if METRICS[metric].better == "lower" else 1.0)) > 1e-3


DEPTH = ["depth_absrel", *(metric.name for metric in PRESET_METRICS if metric.name.endswith("_absrel"))]


@pytest.mark.parametrize("metric", DEPTH)
@pytest.mark.parametrize("fault", ["half a pixel", "ray distance", "frame order"])
def test_faults_in_depth_are_noticed(metric: str, fault: str):
    truth = video()
    told = np.nan_to_num(truth.depth, nan=50.0)
    if fault == "half a pixel":
        told = (told + np.roll(told, 1, axis=2)) / 2
    if fault == "ray distance":
        told = told * np.linalg.norm(unproject(np.ones(told.shape), truth.K), axis=-1)
    if fault == "frame order":
        told = told[::-1].copy()
    assert moved_by(metric, truth, Prediction(depth=told.astype(np.float32)))


def test_millimetres_for_metres_are_noticed_where_the_unit_counts():
    """Alignment forgives the unit by design; the metric alignment does not."""
    truth = np.nan_to_num(video().depth, nan=0.0)
    told = depth.sequence(1000 * truth, truth, alignment="metric", caps=depth.CAPS["kitti"])
    assert told is not None and told.abs_rel == pytest.approx(999.0) and told.delta3 == 0.0
    points = tracks(0)
    ours = tapvid3d.Tracks(xyz=points, visible=np.ones((8, 30), bool))
    large = tapvid3d.Tracks(xyz=1000 * points, visible=ours.visible)
    queries, focal = np.zeros((30, 3), np.float32), np.full(4, 256.0, np.float32)
    assert tapvid3d.score(ours, large, queries, focal, (256, 256), scaling="none").average_within == 0.0


@pytest.mark.parametrize("fault", ["inverse", "frame order"])
@pytest.mark.parametrize(
    "metric", ["pose_rpe_translation", "pose_rpe_rotation", "pose_megasam_rpe_translation", "auc5_vggt", "auc5_pi3"]
)
def test_faults_in_cameras_are_noticed(metric: str, fault: str):
    truth = video()
    poses = invert(truth.world_from_camera) if fault == "inverse" else truth.world_from_camera[::-1].copy()
    assert moved_by(metric, truth, Prediction(world_from_camera=poses))


@pytest.mark.parametrize("metric", ["epe_p0_t1", "epe_p0_t1_per_map", "flow_epe3d"])
@pytest.mark.parametrize("fault", ["half a pixel", "inverse", "frame order", "ray distance"])
def test_faults_in_point_maps_are_noticed(metric: str, fault: str):
    truth = pair()
    points = np.nan_to_num(truth.points, nan=1.0).astype(np.float64)
    if fault == "half a pixel":
        points = (points + np.roll(points, 1, axis=3)) / 2
    if fault == "inverse":  # the second camera's pose applied the wrong way round to what it sees
        wrong = np.linalg.inv(truth.world_from_camera[1]) @ truth.world_from_camera[0]
        points[:, 1] = points[:, 1] @ wrong[:3, :3].T + wrong[:3, 3]
    if fault == "frame order":
        points = points[:, ::-1]
    if fault == "ray distance":
        points = points * np.linalg.norm(points / points[..., 2:], axis=-1, keepdims=True)
    assert moved_by(metric, truth, Prediction(points=points.astype(np.float32)))


@pytest.mark.parametrize("seed", range(4))
def test_a_mix_up_of_directions_is_reported_and_not_repaired(seed: int):
    truth = path(seed)
    noisy = truth @ rigid(
        Rotation.from_rotvec(0.01 * np.random.default_rng(seed).normal(size=(12, 3))).as_matrix(), np.zeros((12, 3))
    )
    record = Truth(
        K=np.tile(np.eye(3), (12, 1, 1)),
        world_from_camera=truth,
        depth=np.ones((12, 1, 1), np.float32),
        points=np.ones((0, 12, 1, 1, 3), np.float32),
        sources=(),
    )
    right, wrong = (
        measure(METRICS["pose_ate"], record, Prediction(world_from_camera=poses)) for poses in (noisy, invert(noisy))
    )
    assert MIX_UP not in right.note and MIX_UP in wrong.note
    assert right.value is not None and wrong.value is not None and wrong.value > 3 * right.value
    unrelated = measure(METRICS["pose_ate"], record, Prediction(world_from_camera=path(seed + 50)))
    assert MIX_UP not in unrelated.note


def test_a_mix_up_is_seen_on_a_camera_that_does_not_turn():
    straight = np.tile(np.eye(4), (6, 1, 1))
    straight[:, 2, 3] = np.arange(6)
    assert trajectory.inverted_looks_better(straight, invert(straight))
    assert not trajectory.inverted_looks_better(straight, straight)
    assert not trajectory.inverted_looks_better(straight, np.tile(np.eye(4), (6, 1, 1)))


# Truth


def test_point_maps_of_a_body_that_deforms_agree_with_its_corners():
    """The fast way, which keeps points in the frames of their bodies, against the corners of every triangle."""
    surfaces = CLIP.surfaces
    box = np.arange(4, 12, dtype=np.int32)
    swing = 1 + 0.02 * np.arange(20, dtype=np.float32)[:, None, None]
    soft = replace(CLIP, surfaces=replace(surfaces, deforming=box, shapes=(surfaces.vertices[box] * swing)))
    seen = derive.hits(soft, 3)
    maps = derive.point_maps(soft, seen, (0, 3, 19), 5)
    for image, time in zip(maps, (0, 3, 19), strict=True):
        slow = transform(invert(soft.cameras.world_from_camera[5]), derive.points(soft, seen, time))
        np.testing.assert_allclose(image, slow, atol=1e-6)
        np.testing.assert_allclose(derive.point_map(soft, seen, time, 5), slow, atol=1e-12)
    rigid_maps = derive.point_maps(CLIP, seen, (19,), 5)
    assert np.nanmax(np.abs(rigid_maps[0] - maps[2])) > 0.05


# The registry


def test_what_is_remembered_is_told_apart_by_identity():
    calls: list[int] = []

    @once
    def doubled(values: list[int]) -> list[int]:
        calls.append(1)
        return [2 * value for value in values]

    first, equal = [1, 2], [1, 2]
    assert doubled(first) is doubled(first) and len(calls) == 1
    assert doubled(equal) == [2, 4] and len(calls) == 2


def test_rescored_protocols_share_questions_with_a_default_one():
    for protocol in PROTOCOLS.values():
        assert protocol.default == (not protocol.asks)
        question = protocol.question
        assert question.default and [
            getattr(question, field) for field in ("length", "stride", "sources", "tasks_per_clip")
        ] == [getattr(protocol, field) for field in ("length", "stride", "sources", "tasks_per_clip")]
        assert question.tasks(24) == protocol.tasks(24) and all(isinstance(task, Task) for task in protocol.tasks(24))


def test_metric_names_are_unique():
    assert all(isinstance(metric, Metric) and METRICS[metric.name] is metric for metric in PRESET_METRICS)
    assert len({metric.name for metric in PRESET_METRICS}) == len(PRESET_METRICS)
