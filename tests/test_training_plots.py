"""What is drawn of runs, and the scores that the benchmark gives to checkpoints."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.tiny import tiny_clip
from vdpm import derive
from vdpm.clip import Prediction
from vdpm.errors import UserError
from vdpm.model.sizes import TINY
from vdpm.model.weights import write_network
from vdpm.storage import encode, write_shard
from vdpm.training import paths
from vdpm.training.begin import from_nothing
from vdpm.training.curves import curves, smooth
from vdpm.training.validate import means, read_scores, validate


def test_means_leave_blanks_out():
    rows = [{"protocol": "p", "metric": "m", "value": value} for value in (1.0, None, 3.0)]
    assert means([*rows, {"protocol": "p", "metric": "n", "value": None}]) == {"p/m": 2.0}


def test_smoothing_keeps_lines_and_means():
    assert np.allclose(smooth(np.full(200, 3.0)), 3.0)
    assert np.allclose(smooth(np.arange(200.0))[10:-10], np.arange(200.0)[10:-10])


def test_rows_with_a_weight_count_by_it():
    rows = [{"protocol": "p", "metric": m, "value": v, "weight": w} for m, v, w in (("a", 1.0, 3.0), ("a", 2.0, 1.0))]
    rows += [{"protocol": "p", "metric": "b", "value": v} for v in (1.0, 2.0, None)]
    assert means(rows) == {"p/a": 1.25, "p/b": 1.5}


def test_curves_of_runs(tmp_path: Path):
    for name in ("one", "two"):
        run = tmp_path / name
        run.mkdir()
        rows = [
            {"step": s, "windows": 2 * s, "seconds": s, "loss": 1 / s, "displacement_error": 0.9} for s in (1, 2, 3)
        ]
        (run / "curve.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    name = "p/displacement_error_pooled"
    scores = [{"step": 3, "suite": "mini", name: 0.7}, {"step": 2, name: 0.8}]
    cut = (tmp_path / "one" / "validation.jsonl").write_text("\n".join(map(json.dumps, scores)) + '\n{"step": 4, "p')
    assert cut and [row["step"] for row in read_scores(tmp_path / "one")] == [2, 3]
    figure = curves((tmp_path / "one", tmp_path / "two"), "windows")
    shown = {axes.get_title(): axes for axes in figure.axes}
    assert set(shown) == {"Displacement error, moving pixels", "Losses"}
    dots = [line for line in shown["Displacement error, moving pixels"].lines if line.get_marker() == "o"]
    assert np.array_equal(dots[0].get_xydata(), [[4.0, 0.8], [6.0, 0.7]])
    with pytest.raises(UserError, match="no curve"):
        curves((tmp_path,), "step")


def test_tracks_of_a_perfect_answer_are_the_true_ones():
    clip, frames = tiny_clip(), tuple(range(0, 20, 2))
    truth = derive.truth(clip, frames, (0,))
    answer = np.nan_to_num(3.0 * truth.points)
    perfect = Prediction(points=answer)
    figure = paths.tracks(clip, frames, perfect, columns=2)
    ends = [np.asarray(axes.collections[1].get_offsets()) for axes in figure.axes]
    assert len(figure.axes) == 6 and len(ends[0]) > 20
    assert np.allclose(ends[0], ends[2], atol=0.05) and np.allclose(ends[1], ends[5], atol=0.05)
    still = Prediction(points=np.repeat(answer[:, :1], len(frames), axis=1))
    assert (
        np.abs(
            np.asarray(paths.tracks(clip, frames, still, columns=2).axes[3].collections[1].get_offsets()) - ends[1]
        ).max()
        > 1
    )


@pytest.mark.slow
def test_a_checkpoint_is_scored_by_the_benchmark(tmp_path: Path):
    network = from_nothing(TINY, seed=0)
    for layer in ("camera_head.pose_branch.fc2", "point_head.scratch.output_conv2.2"):
        torch.nn.init.zeros_(network.get_parameter(f"{layer}.weight"))
    torch.nn.init.ones_(network.get_parameter("point_head.scratch.output_conv2.2.bias"))  # in front of a camera at rest
    write_network(network, tmp_path / "run" / "00000007")
    write_shard(tmp_path / "suite" / "clips.tar", [("a-0-0", encode(tiny_clip(frames=4, name="a-0-0")))])
    row = validate(tmp_path / "run", tmp_path / "run" / "00000007", str(tmp_path / "suite"))
    assert row["step"] == 7 and math.isfinite(row["vdpm_pair2/displacement_error"])
    assert read_scores(tmp_path / "run") == [row]
    with pytest.raises(UserError, match="cannot validate"):
        validate(tmp_path / "run", tmp_path / "run" / "00000008", str(tmp_path / "suite"))
