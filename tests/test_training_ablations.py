"""Variants change what they say and nothing else; their table has means and ranges of finished runs."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from tests.tiny import tiny_clip
from vdpm.storage import encode, write_shard
from vdpm.training import windows
from vdpm.training.ablations import COLUMNS, VARIANTS, Config, main, planned, write_table
from vdpm.training.data import DataConfig, Rendered, Stream
from vdpm.training.validate import VALIDATION


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
    for name, step, value in (("base-0", 9, 0.5), ("base-1", 9, 0.7), ("confidence-0", 8, 0.1)):
        (tmp_path / name).mkdir()
        row = {"step": step, "suite": "mini", COLUMNS[0]: value}
        (tmp_path / name / VALIDATION).write_text(json.dumps(row) + "\n")
    lines = write_table(Config(out=tmp_path, steps=9)).splitlines()
    assert len(lines) == 3 and lines[2].startswith("| base | 2 | 0.600 ± 0.100 | – |")
    assert (tmp_path / "table.md").read_text().splitlines() == lines


@pytest.mark.slow
def test_a_variant_is_trained_and_scored(tmp_path: Path):
    write_shard(tmp_path / "suite" / "clips.tar", [("a-0-0", encode(tiny_clip(frames=4, name="a-0-0")))])
    config = Config(
        out=tmp_path, steps=2, seeds=(0,), only=("clips-50",), data=("benchmark/frozen/mini",), workers=0,
        suite=str(tmp_path / "suite"),
    )  # fmt: skip
    try:
        main(config)
    except ValueError as error:  # two steps from nothing may see things behind the camera, which the benchmark refuses
        assert "cannot validate" in str(error)
    assert (tmp_path / "clips-50-0" / "checkpoints" / "00000002" / "whole").exists()
