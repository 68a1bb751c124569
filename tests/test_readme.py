"""What the README says is run: its snippets as they stand, its commands' flags, its package list."""

import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import benchmark.methods
from benchmark import metrics
from benchmark.protocols import PROTOCOLS
from benchmark.registry import find_method, start
from benchmark.scoring import show, truth_of
from generation.gate import refusal
from generation.scene import surfaces
from tests.network import images, stressed
from tests.tiny import tiny_clip
from vdpm.model.sizes import TINY
from vdpm.model.weights import write_network
from vdpm.raycast import triangles_seen
from vdpm.storage import read_shard

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def snippet(words: str) -> str:
    """The first Python block after some words."""
    match = re.search(r"```python\n(.*?)```", README[README.index(words) :], re.DOTALL)
    assert match
    return match[1]


def run(words: str, folder: Path, **names: Any) -> dict[str, Any]:
    """Run that block as a file, with some names given; the names it leaves."""
    file = folder / "snippet.py"
    file.write_text(snippet(words), encoding="utf-8")
    return runpy.run_path(str(file), init_globals=names)


def test_reading_a_shard(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    names = run("**Shards** open", tmp_path)
    assert names["depth"].shape == (128, 128)
    assert names["flow"].shape == (128, 128, 2)
    assert names["p_0_9_0"].shape == (128, 128, 3)


def test_decoding_as_asked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_network(stressed(), tmp_path / "path/to/model.pt")  # a folder is as good as a file
    side = 4 * TINY.patch
    names = run("The official inference", tmp_path, images=images(1, 6, side, side))
    assert [tuple(maps.points.shape) for maps in names["maps"]] == [(1, 1, side, side, 3)] * 2


def test_adding_a_method(tmp_path, monkeypatch):
    (tmp_path / "readme_method.py").write_text(snippet("**A method**"))
    monkeypatch.setattr(benchmark.methods, "__path__", [*benchmark.methods.__path__, str(tmp_path)])
    method = find_method("readme_method")
    clip = tiny_clip(frames=3)
    task = PROTOCOLS["video"].tasks(3)[0]
    prediction = start(method)(show(clip, task), None)
    score = metrics.depth_absrel(truth_of(clip, task), prediction)
    assert score.value is not None and score.value > 0
    assert prediction.points is None


def test_adding_a_metric(tmp_path):
    names = run("**A metric**", tmp_path, **{name: value for name, value in vars(metrics).items() if name[0] != "_"})
    clip = tiny_clip(frames=3)
    truth = truth_of(clip, PROTOCOLS["video"].tasks(3)[0])
    oracle = metrics.Prediction(depth=np.nan_to_num(truth.depth, nan=9.0))
    assert names["depth_rmse"](truth, oracle).value == pytest.approx(0.0, abs=1e-6)


def test_adding_a_dataset(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    clip = tiny_clip(frames=3)
    run("**A dataset**", tmp_path, Path=Path, clips=[clip])
    assert [read.name for read in read_shard(tmp_path / "mine/clips-000000.tar")] == [clip.name]


def test_adding_a_scene_family(tmp_path):
    scene = run("**A scene family**", tmp_path)["sample"](np.random.default_rng(0), 6, (96, 64), tmp_path)
    seen = triangles_seen(surfaces(scene), scene.cameras, 64, 96)
    assert refusal(scene, seen) is None
    assert set(np.unique(seen)) > {-1}  # sky, ground and ball


def test_the_commands_know_the_flags_that_are_named():
    for command in ("generation/render.py", "benchmark/run.py", "-m benchmark.freeze", "leaderboards/build.py"):
        used = re.findall(rf"python {command}((?:[^`|;]|\n(?!\n|```))*)", README)
        assert used, command
        flags = {flag for arguments in used for flag in re.findall(r"--[a-z]+", arguments)}
        shown = subprocess.run([sys.executable, *command.split(), "--help"],
                               cwd=ROOT, capture_output=True, text=True, check=True).stdout  # fmt: skip
        assert all(flag in shown for flag in flags), (command, flags)


def test_make_knows_the_targets_and_packages_that_are_named():
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make (\w+)", README, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)
    libraries = re.search(r"^BLENDER_LIBRARIES = (.*)$", makefile, re.MULTILINE)
    assert libraries and libraries[1] in README
