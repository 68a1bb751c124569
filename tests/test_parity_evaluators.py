"""Our numbers against what the public evaluators print for the same seeded random inputs (`fixtures/metrics`).

expected.json was written by the evaluators themselves (CPU, torch 2.13, numpy 2.4, scipy 1.17, evo 1.31.1). Everything
agrees to 1e-6 but `scale`, whose ten reweighting steps stop before they converge and magnify the last bit of any sum.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.evaluators import depth, relative_pose, resize, scene_flow, tapvid3d, trajectory, worldtrack
from vdpm.geometry import invert

FIXTURES = Path(__file__).parent / "fixtures" / "metrics"
EXPECTED: dict[str, Any] = json.loads((FIXTURES / "expected.json").read_text(encoding="utf-8"))
DEPTH_KEYS = {
    "Abs Rel": "abs_rel", "Sq Rel": "sq_rel", "RMSE": "rmse", "Log RMSE": "log_rmse", "δ < 1.25": "delta1",
    "δ < 1.25^2": "delta2", "δ < 1.25^3": "delta3", "valid_pixels": "valid_pixels",
}  # fmt: skip
IRLS_TOLERANCE = {"sintel": 3e-3, "bonn": 2e-4, "kitti": 1e-6}
"""Of `scale`. Single precision truth (Sintel) lets one pixel with an almost zero residual hold the fit, so its numbers
are defined to about 1e-3 only, whatever computes them; on Bonn one last bit of the starting value is worth 7e-5."""
DEPTH_CASES = [(case, alignment) for case in EXPECTED if case.startswith("depth/depth") for alignment in EXPECTED[case]]


def arrays(name: str) -> dict[str, np.ndarray]:
    with np.load(FIXTURES / f"{name}.npz", allow_pickle=False) as file:
        return {key: file[key] for key in file.files}


@pytest.mark.parametrize(("case", "alignment"), DEPTH_CASES)
def test_depth(case: str, alignment: str):
    _, name, dataset, *mask = case.split("/")
    data = arrays(name)
    ours = depth.sequence(
        data["pred"],
        data["gt"],
        alignment=alignment,
        caps=depth.CAPS[dataset],
        mask=data["custom_mask"] if mask else None,
    )
    assert ours is not None
    tolerance = IRLS_TOLERANCE[dataset] if alignment == "scale" else 1e-6
    for key, field in DEPTH_KEYS.items():
        assert getattr(ours, field) == pytest.approx(EXPECTED[case][alignment][key], rel=0, abs=tolerance), key


def test_depth_of_a_data_set_is_weighted_by_valid_pixels():
    each = [
        depth.sequence(arrays(name)["pred"], arrays(name)["gt"], alignment="scale", caps=depth.CAPS["sintel"])
        for name in ("depth_a", "depth_b")
    ]
    ours = depth.average([errors for errors in each if errors])
    for key, field in DEPTH_KEYS.items():
        if key != "valid_pixels":
            expected = EXPECTED["depth/two_sequences_average/sintel/scale"][key]
            assert ours[field] == pytest.approx(expected, rel=0, abs=IRLS_TOLERANCE["sintel"])


@pytest.mark.parametrize("key", [key for key in arrays("resize") if key != "image"])
def test_resizing_is_that_of_the_image_libraries(key: str):
    data = arrays("resize")
    kind, height, width = key.split("_")
    ours = getattr(resize, kind)(data["image"], int(height), int(width))
    np.testing.assert_allclose(
        ours, data[key], rtol=0, atol=1e-5
    )  # the libraries compute their weights in single precision


@pytest.mark.parametrize("expected", EXPECTED["pose"]["sequences"], ids=lambda case: case["seq"])
def test_trajectories(expected: dict[str, Any]):
    data = arrays(expected["seq"])
    ours = trajectory.monst3r(data["gt_c2w"], data["pred_c2w"])
    numbers = [ours.ate, ours.rpe_translation, ours.rpe_rotation]
    assert numbers == pytest.approx([expected[key] for key in ("ate", "rpe_trans", "rpe_rot_deg")], rel=0, abs=1e-12)


@pytest.mark.parametrize("name", EXPECTED["auc"])
def test_relative_poses(name: str):
    convention = "vggt" if name == "mapanything" else name
    each = [
        relative_pose.pair_errors(invert(data["gt_c2w"]), invert(data["pred_c2w"]), convention)
        for data in map(arrays, ("pose_a", "pose_b"))
    ]
    everything = relative_pose.pooled(each)
    functions = {"auc": relative_pose.auc, "racc": relative_pose.rra, "tacc": relative_pose.rta}
    for key, expected in EXPECTED["auc"][name]["mean_over_sequences"].items():
        kind, threshold = key.split("@")
        ours = np.mean([functions[kind](errors, int(threshold)) for errors in each])
        assert ours == pytest.approx(expected, rel=0, abs=1e-12), key
    for key, expected in EXPECTED["auc"][name]["pooled_over_pairs"].items():
        kind, threshold = key.split("@")
        assert functions[kind](everything, int(threshold)) == pytest.approx(expected, rel=0, abs=1e-12), key


@pytest.mark.parametrize("scaling", tapvid3d.SCALINGS)
def test_tapvid3d(scaling: str):
    """All scalings as the functions of the reference define them, those that its script cannot run included."""
    data, expected = arrays("tracks_cam"), EXPECTED["tapvid3d"][scaling]["as_intended"]
    ours = tapvid3d.score(
        tapvid3d.Tracks(xyz=data["gt_tracks"], visible=data["gt_visibility"]),
        tapvid3d.Tracks(xyz=data["pred_tracks"], visible=data["pred_visibility"]),
        data["queries_xyt"],
        data["fx_fy_cx_cy"],
        (int(data["image_hw"][0]), int(data["image_hw"][1])),
        scaling=scaling,
    )
    numbers = {
        "occlusion_accuracy": ours.occlusion_accuracy,
        "average_jaccard": ours.average_jaccard,
        "average_pts_within_thresh": ours.average_within,
        **{f"pts_within_{pixels}": value for pixels, value in zip(tapvid3d.PIXELS, ours.within, strict=True)},
        **{f"jaccard_{pixels}": value for pixels, value in zip(tapvid3d.PIXELS, ours.jaccard, strict=True)},
    }
    wanted = {key.removesuffix("_track_mean"): np.ravel(value)[0] for key, value in expected.items()}
    assert numbers == pytest.approx(wanted, rel=0, abs=1e-12)


@pytest.mark.parametrize("alignment", worldtrack.ALIGNMENTS)
def test_worldtrack(alignment: str):
    data = arrays("tracks_world")
    seen = data["gt_visibility"][0]
    truth, prediction = data["gt_tracks"][:, seen], data["pred_tracks"][:, seen]
    assert truth.shape[1] == EXPECTED["worldtrack"]["points"]
    assert worldtrack.is_dynamic(truth).sum() == EXPECTED["worldtrack"]["dynamic_points"]
    ours = worldtrack.st4rtrack(truth, prediction, alignment=alignment)
    for errors, key in ((ours.all, alignment), (ours.dynamic, f"{alignment}_dyn")):
        expected = EXPECTED["worldtrack"][key]
        if errors is None or "within" not in expected:  # the reference has no such number
            continue
        assert (errors.apd, errors.epe) == pytest.approx((expected["apd"], expected["epe"]), rel=0, abs=1e-6)
        assert errors.within == pytest.approx(tuple(expected["within"].values()), rel=0, abs=1e-12)


def test_scene_flow():
    data, expected = arrays("flow"), EXPECTED["sceneflow"]
    ours = scene_flow.scene_flow(data["gt_flow"], data["pred_flow"])
    assert ours is not None
    numbers = (ours.epe3d, ours.acc_strict, ours.acc_relaxed, ours.outliers)
    keys = ("epe3d", "acc3d_strict", "acc3d_relax", "outlier")
    assert numbers == pytest.approx(tuple(expected[key] for key in keys), rel=0, abs=1e-6)
    swapped = scene_flow.scene_flow(data["pred_flow"], data["gt_flow"])
    assert swapped is not None and swapped.outliers != ours.outliers  # the order of the arguments matters
