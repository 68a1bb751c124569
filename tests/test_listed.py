"""Suites as lists: the same clips are taken, clips that differ by rounding too, and clips that differ by more are refused."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmark import everything, freeze, listed, make_suite, run, suites
from tests.tiny import tiny_clip
from vdpm.clip import Clip
from vdpm.errors import UserError
from vdpm.storage import encode, write_shard

CLIP = replace(tiny_clip(frames=5), rgb=np.random.default_rng(0).integers(90, 160, (5, 24, 32, 3)).astype(np.uint8))
TOLD = {"seed": 7, "resolution": [32, 24], "frames": 5, "samples": 16}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A frozen list of one clip, and where it has to be rendered."""
    monkeypatch.setattr(suites, "FROZEN", tmp_path / "frozen")
    monkeypatch.setattr(listed, "RENDERED", tmp_path / "rendered")
    put(CLIP, tmp_path / "source")
    (tmp_path / "source" / "dataset.json").write_text(json.dumps(TOLD))
    freeze.freeze(freeze.Config(folder=tmp_path / "source", name="tiny_val", description="Tiny.", family="tiny"))
    return tmp_path / "rendered" / "tiny_val"


def put(clip: Clip, folder: Path) -> None:
    write_shard(folder / "a.tar", [(clip.name, encode(clip))])


def shifted(clip: Clip, metres: float) -> Clip:
    """The camera moved sideways."""
    pose = clip.cameras.world_from_camera.copy()
    pose[:, 0, 3] += metres
    return replace(clip, cameras=replace(clip.cameras, world_from_camera=pose))


def brighter(clip: Clip, levels: int, every: int) -> Clip:
    """Every so many pixels brighter by some levels of 255."""
    rgb = clip.rgb.copy()
    rgb[:, ::every, ::every] += np.uint8(levels)
    return replace(clip, rgb=rgb)


def moved(clip: Clip, metres: float) -> Clip:
    poses = clip.surfaces.world_from_body.copy()
    poses[-1, :, 2, 3] += metres
    return replace(clip, surfaces=replace(clip.surfaces, world_from_body=poses))


def test_what_is_absent_says_how_to_make_it(place: Path):
    with pytest.raises(UserError, match=r"not rendered here: python -m benchmark.make_suite --suite tiny_val"):
        suites.find_suite("tiny_val")
    assert "tiny_val" in run.listing() and "make_suite --suite tiny_val" in run.listing()


def test_the_recipe_is_what_rendering_takes(place: Path, monkeypatch: pytest.MonkeyPatch):
    assert suites.facts("tiny_val")["recipe"] == {
        "family": "tiny", "num": 1, "seed": 7, "resolution": "32x24", "frames": 5, "samples": 16,
    }  # fmt: skip
    seen: list[list[str]] = []

    class Done:
        returncode = 0

    def rendering(command: list[str]) -> Done:
        seen.append(command)
        put(CLIP, place)
        return Done()

    monkeypatch.setattr(make_suite.subprocess, "run", rendering)
    make_suite.main(make_suite.Config(suite="all", workers=1))
    assert "--family tiny --num 1 --seed 7 --resolution 32x24 --frames 5" in " ".join(seen[0])
    assert suites.find_suite("tiny_val").clips == (CLIP.name,)
    make_suite.main(make_suite.Config(suite="tiny_val", workers=1))
    assert len(seen) == 1, "what is there as frozen is rendered again"
    put(shifted(CLIP, 0.1), place)
    make_suite.main(make_suite.Config(suite="tiny_val", workers=1))
    assert len(seen) == 2, "what is not as frozen is not rendered again"


@pytest.mark.parametrize(
    "change",
    [
        lambda clip: clip,
        lambda clip: replace(clip, meta={"another": "fact"}),
        lambda clip: brighter(clip, 2, 4),
        lambda clip: moved(clip, 1e-5),
    ],
)
def test_the_same_clip_and_one_that_differs_by_rounding_are_taken(place: Path, change: Callable[[Clip], Clip]):
    put(change(CLIP), place)
    assert suites.find_suite("tiny_val").version == "1"
    assert (place / listed.VERIFIED).is_file()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda clip: brighter(clip, 30, 2), r"its colours agree to \d+\.\d dB, 45 are asked for"),
        (lambda clip: shifted(clip, 1e-3), "its cameras are others"),
        (lambda clip: moved(clip, 0.05), "its (depth|motion) agrees at"),
        (lambda clip: replace(clip, name="tiny-0-00000009"), "is not in the list"),
    ],
)
def test_a_clip_that_differs_by_more_is_refused(place: Path, change: Callable[[Clip], Clip], reason: str):
    put(change(CLIP), place)
    with pytest.raises(UserError, match=reason):
        suites.find_suite("tiny_val")
    assert not (place / listed.VERIFIED).exists()


def test_a_verified_suite_is_verified_again_when_a_shard_changes(place: Path):
    put(CLIP, place)
    suites.find_suite("tiny_val")
    put(brighter(CLIP, 30, 2), place)
    with pytest.raises(UserError, match="dB"):
        suites.find_suite("tiny_val")


def test_an_unknown_list_is_one_line(place: Path):
    with pytest.raises(UserError, match="unknown suite 'mini'.*tiny_val, all"):
        make_suite.main(make_suite.Config(suite="mini"))


def test_everything_at_once(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Every suite that is rendered, every method that was named; what is not rendered is said."""
    everything.main(everything.Config(out=tmp_path / "runs", methods=("still", "vdpm"), workers=1))
    assert "skipped: suite 'tiny_val' is a list" in capsys.readouterr().out
    put(CLIP, place)
    everything.main(everything.Config(out=tmp_path / "runs", methods=("still", "plane"), workers=1))
    text = (tmp_path / "runs" / "table.txt").read_text()
    assert "tiny_val, 1 clips" in text and "still*" in text and "plane " in text
    assert (tmp_path / "runs" / "tiny_val" / "plane" / "rows.jsonl").is_file()
