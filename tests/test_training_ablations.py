"""Variants change what they say and nothing else; their table has means and ranges of finished runs."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training import PRESET, noise
from vdpm.model.network import Answer
from vdpm.training import windows
from vdpm.training.ablations import STUDIES, VARIANTS, Config, changes, main, planned, variants
from vdpm.training.data import DataConfig, Rendered, Stream
from vdpm.training.held import depth
from vdpm.training.presets import PRESETS
from vdpm.training.study import keep, write


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_differs_by_its_fields_alone(name: str):
    config = Config(steps=7)
    base, changed = (
        {**asdict(preset.objective), **asdict(data), "steps": preset.steps}
        for preset, data in (planned(config, {}), planned(config, VARIANTS[name]))
    )
    assert {key: value for key, value in changed.items() if base[key] != value}.keys() <= VARIANTS[name].keys()
    assert all(changed[key] == value for key, value in VARIANTS[name].items())
    assert changed["steps"] == 7


def test_target_times():
    rng = np.random.default_rng(0)
    drawn = {
        times: [windows.draw(rng, 20, 4, (1, 2), "central", times) for _ in range(100)] for times in ("other", "last")
    }
    assert {window.target for window in drawn["other"]} == {1, 2, 3}
    assert all(window.stamps[window.target] == max(window.stamps) for window in drawn["last"])


def test_fewer_clips_are_some_of_more():
    names = [
        {entry.name for entry in source.entries}
        for clips in (2, 4, 0)
        for source in Stream(DataConfig(sources="benchmark/frozen/mini", clips=clips), 5).sources
        if isinstance(source, Rendered)
    ]
    assert list(map(len, names)) == [2, 4, 6] and names[0] < names[1] < names[2]


def test_the_table_has_finished_runs_only(tmp_path: Path):
    for name, seed, steps, value in (("base", 0, 9, 0.5), ("base", 1, 9, 0.7), ("confidence", 0, 8, 0.1)):
        row = {"variant": name, "seed": seed, "steps": steps, "scores": {"displacement_error": value}}
        keep(tmp_path / f"{name}-{seed}", row)
    lines = write(tmp_path, "choices", STUDIES["choices"], 9).splitlines()
    assert len(lines) == 3 and lines[2] == "| base | 2 | 0.600 ± 0.100 |"
    assert (tmp_path / "choices.md").read_text().splitlines() == lines
    assert [row["seed"] for row in json.loads((tmp_path / "choices.json").read_text())] == [0, 1]
    assert (tmp_path / "choices.png").read_bytes().startswith(b"\x89PNG")


def test_studies_share_the_base():
    assert variants(Config(study="clips", clips=(24, 8))) == ["clips-8", "clips-24", "base"]
    assert changes("clips-8") == {"clips": 8} and changes("base") == {}
    assert "base" in STUDIES["choices"] and "base" in STUDIES["matching"]


def test_depth_is_measured_up_to_scale():
    batch = noise()
    truth = batch.here.abs() + 1.0
    batch = replace(batch, here=truth)
    wrong = truth.clone()
    wrong[..., 2] *= 1.0 + 0.1 * torch.tensor([1.0, -1.0]).repeat(8)  # columns in turns
    for points, off in ((3.0 * truth, 0.0), (wrong, 0.1)):
        answer = Answer(
            here=(points, points[..., 0]), there=(points, points[..., 0]), poses=[], match=None, sources=None
        )
        part, count = depth(answer, batch)
        assert count == batch.valid[:, 0].sum() and part / count == pytest.approx(off, abs=0.04 * (off > 0) + 1e-5)


@pytest.mark.slow
def test_a_run_is_trained_and_measured_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(PRESETS, "test", PRESET)
    config = Config(
        study="clips", clips=(2,), only=("clips-2",), out=tmp_path, preset="test", steps=2, seeds=(0,), workers=0,
        data=("benchmark/frozen/mini",), windows=2,
    )  # fmt: skip
    main(config)
    row = json.loads((tmp_path / "clips-2-0" / "measured.json").read_text())
    assert row["windows"] == 8 and {"displacement_error", "depth_absrel", "match_accuracy"} <= row["scores"].keys()
    monkeypatch.setattr("vdpm.training.ablations.trained", None)  # would be called again
    main(config)
