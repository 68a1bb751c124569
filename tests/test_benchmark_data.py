"""`python -m benchmark.data`: what it says of every data set, and what it finds in folders."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmark import data
from tests import layouts, layouts_more
from tests.layouts import scene
from vdpm import catalogue
from vdpm.errors import UserError


@pytest.fixture(scope="module")
def made():
    return scene(3)


def run(capsys, **flags) -> str:
    data.main(data.Config(**flags))
    return capsys.readouterr().out


def test_every_data_set_is_listed_and_explained(capsys):
    lines = run(capsys, list=True).splitlines()
    assert [line.split()[0] for line in lines] == catalogue.dataset_names()
    for name in catalogue.dataset_names():
        dataset, variant = catalogue.find(name)
        text = run(capsys, dataset=name)
        assert not [
            part for part in (dataset.licence, dataset.source, f"{name}:{variant}", "--data-root") if part not in text
        ]
        assert set(dataset.sequences) | set(dataset.queries) <= set(dataset.variants)


def test_published_numbers_are_told(capsys):
    assert "22187 queries" in run(capsys, dataset="worldtrack")
    assert "50 or 1906 or 1956 sequences" in run(capsys, dataset="tapvid3d")
    assert "23 sequences" in run(capsys, dataset="sintel") and "14 sequences" in run(capsys, dataset="sintel")


def test_a_folder_of_videos_is_all_well(made, tmp_path, capsys):
    layouts_more.frames(tmp_path, made)
    text = run(capsys, dataset="frames", data_root=tmp_path)
    assert "1 sequences" in text and "3 frames of 128x128; no cameras" in text and "all is well" in text


def test_incomplete_is_said(made, tmp_path, capsys):
    layouts.sintel(tmp_path, made)
    with pytest.raises(UserError, match="1 things are wrong with sintel .*1 sequences, 23 are published"):
        run(capsys, dataset="sintel", data_root=tmp_path)
    text = capsys.readouterr().out
    known = np.isfinite(made.depth).mean()
    assert f"depth on {known:.0%}, {np.nanmin(made.depth):.2f}-{np.nanmax(made.depth):.2f} m; cameras" in text


def test_queries_are_counted(made, tmp_path, capsys):
    layouts_more.worldtrack(tmp_path, made)
    with pytest.raises(UserError) as caught:
        run(capsys, dataset="worldtrack", data_root=tmp_path, full=True)
    found = re.search(r": (\d+) points seen in the first frames, 22187 are published", str(caught.value))
    assert found and int(found[1]) == made.followed.visible[0].sum()


def test_damage_is_found_by_reading_all(made, tmp_path, capsys):
    layouts.sintel(tmp_path, made)
    base = tmp_path / "training"
    for part in ("final", "clean", "depth", "camdata_left"):
        (base / part / "alley_2").rename(base / part / "alley_1")
    layouts.sintel(tmp_path, made)
    depth = base / "depth" / "alley_2" / "frame_0002.dpt"
    depth.write_bytes(depth.read_bytes()[:100])
    with pytest.raises(UserError, match="1 things"):  # the first sequence is whole
        run(capsys, dataset="sintel", data_root=tmp_path)
    with pytest.raises(UserError, match="2 things"):
        run(capsys, dataset="sintel", data_root=tmp_path, full=True)
    assert "frame_0002.dpt" in capsys.readouterr().out


def test_the_command(tmp_path: Path):
    command = [sys.executable, "-m", "benchmark.data", "bonn", "--data-root", str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert (
        result.returncode == 2
        and result.stderr.startswith("error: no sequence of bonn")
        and "\n" not in result.stderr[:-1]
    )
