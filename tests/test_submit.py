"""Runs are published when they are what they say: every kind of fault is planted once and has to be named."""

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from benchmark import run
from benchmark.rows import Row, read_rows
from leaderboards import build, submit
from leaderboards.checking import check
from leaderboards.publication import read_publication
from leaderboards.splits import SPLITS, binned, of_points
from tests.tiny import tiny_clip
from vdpm.clip import Prediction, Truth
from vdpm.errors import UserError
from vdpm.storage import encode, write_shard

ROOT = Path(__file__).resolve().parents[1]
CLIPS = ["tiny-0-00000000", "tiny-0-00000001"]
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A folder of two clips, and a run of `still` on it."""
    folder = tmp_path_factory.mktemp("suite") / "tiny"
    write_shard(folder / "a.tar", [(name, encode(tiny_clip(name=name))) for name in CLIPS])
    out = tmp_path_factory.mktemp("runs")
    run.main(run.Config(method="still", suite=str(folder), out=out))
    return folder, out / "tiny" / "still"


@pytest.fixture
def handed(made: tuple[Path, Path], tmp_path: Path) -> Path:
    """A copy of the run that may be spoilt."""
    return Path(shutil.copytree(made[1], tmp_path / "still"))


def problems(handed: Path, made: tuple[Path, Path], sample: int = 0) -> list[str]:
    return check(handed, made[0], sample, np.random.default_rng(0)).problems


def edit(handed: Path, change: Callable[[int, Row], Row | None]) -> None:
    """Change rows by hand; None deletes one."""
    changed = [change(place, row) for place, row in enumerate(read_rows(handed / "rows.jsonl"))]
    lines = [json.dumps(asdict(row)) + "\n" for row in changed if row]
    (handed / "rows.jsonl").write_text("".join(lines))


def test_a_right_run_is_added_and_its_site_is_built(handed: Path, made: tuple[Path, Path], tmp_path: Path):
    results, site = tmp_path / "results", tmp_path / "site"
    submit.main(submit.Config(run=(handed,), suite=made[0], results=results, media=site / "clips"))
    record = read_publication(results / "tiny-still.json")
    assert record.rescored == CLIPS and set(record.splits) == set(SPLITS)
    file = handed / "video" / f"{CLIPS[0]}.npz"
    assert record.predictions[f"video/{CLIPS[0]}.npz"] == hashlib.sha256(file.read_bytes()).hexdigest()
    build.main(build.Config(results=results, out=site, media=site / "clips"))
    page = (site / "clips" / "tiny" / f"{CLIPS[0]}.html").read_text()
    for drawn in ("strip.webp", "still-tracks.webp", "still-depth.webp", "still-path.svg", "still.html"):
        assert (site / "clips" / "tiny" / CLIPS[0] / drawn).stat().st_size < 100_000 and drawn in page
    viewer = (site / "clips" / "tiny" / CLIPS[0] / "still.html").read_text()
    assert (
        "script-src 'self'" in viewer and "sha256-" not in viewer and '<script src="../../viewer/three.min-' in viewer
    )
    assert "2 clips scored again" in (site / "methods" / "still-v1.html").read_text()
    assert "Error against motion" in (site / "figures.html").read_text()


def test_a_number_edited_by_hand_is_found_out(handed: Path, made: tuple[Path, Path]):
    edit(handed, lambda _, row: replace(row, value=0.999 * (row.value or 0.0)) if row.metric == "epe_track" else row)
    found = problems(handed, made)
    assert any("epe_track" in line and "the prediction file gives" in line for line in found)


def test_every_clip_is_in_some_sample(handed: Path, made: tuple[Path, Path]):
    edit(
        handed, lambda _, row: replace(row, value=0.5) if row.metric == "depth_absrel" and row.clip == CLIPS[1] else row
    )
    caught = [check(handed, made[0], 1, np.random.default_rng(seed)) for seed in range(6)]
    assert all(bool(each.problems) == (each.rescored == [CLIPS[1]]) for each in caught)
    assert 0 < sum(bool(each.problems) for each in caught)


def test_a_blank_over_a_value_and_a_value_over_a_blank_are_found_out(handed: Path, made: tuple[Path, Path]):
    edit(
        handed,
        lambda _, row: replace(row, value=None, note="we would rather not say") if row.metric == "epe_track" else row,
    )
    assert any("epe_track" in line and "says None" in line for line in problems(handed, made))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda place, row: None if place == 3 else row, "is missing"),
        (lambda place, row: replace(row, clip="another") if place == 3 else row, "belongs to no clip or metric"),
        (lambda place, row: replace(row, metric="made_up") if place == 3 else row, "belongs to no clip or metric"),
        (lambda place, row: replace(row, protocol_version="0"), "has version 0, the one here has"),
        (lambda place, row: replace(row, protocol="made_up"), "protocol made_up is not known here"),
        (lambda place, row: replace(row, method_version="0"), "method still has version 0, the one here has 1"),
        (lambda place, row: replace(row, method_version="0") if place else row, "method_version is not the same in all rows"),
        (lambda place, row: replace(row, reference=False), "method still is a reference, the rows say otherwise"),
        (lambda place, row: replace(row, suite_version="7"), "version 7, here is tiny version unfrozen"),
        (lambda place, row: replace(row, unit="km"), "unit 'km'"),
        (lambda place, row: replace(row, value=None, note=""), "a blank without a reason"),
        (lambda place, row: replace(row, count=row.count + 1), "says count"),
        (lambda place, row: replace(row, weight=row.weight and 1.1 * row.weight), "has weight"),
        (lambda place, row: replace(row, weight=None), "weight None; a value has one if its metric is pooled"),
        (lambda place, row: replace(row, weight=1.0), "nothing else has"),
    ],
)  # fmt: skip
def test_faults_in_rows_are_named(handed: Path, made: tuple[Path, Path], change: Callable, message: str):
    edit(handed, change)
    assert any(message in line for line in problems(handed, made, sample=1)), problems(handed, made, sample=1)


@pytest.mark.parametrize("text", ["", "not a row", '{"value": NaN}'])
def test_files_that_hold_no_rows_are_named(handed: Path, made: tuple[Path, Path], text: str):
    (handed / "rows.jsonl").write_text(text)
    assert len(problems(handed, made)) == 1


def test_a_row_given_twice_is_named(handed: Path, made: tuple[Path, Path]):
    text = (handed / "rows.jsonl").read_text()
    (handed / "rows.jsonl").write_text(text + text.splitlines()[0] + "\n")
    assert any("more than once" in line for line in problems(handed, made))


def test_prediction_files_that_are_missing_altered_or_damaged_are_named(handed: Path, made: tuple[Path, Path]):
    file = handed / "vdpm_track10" / f"{CLIPS[0]}.npz"
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    (handed / "SHA256SUMS").write_text(f"{digest}  ./vdpm_track10/{file.name}\n")
    assert not problems(handed, made, sample=1)
    file.write_bytes(file.read_bytes()[:-100])
    assert any("was altered" in line for line in problems(handed, made))
    (handed / "SHA256SUMS").unlink()
    assert any("damaged" in line for line in problems(handed, made))
    file.unlink()
    assert any("is missing" in line for line in problems(handed, made))


def test_predictions_of_another_clip_are_stale(handed: Path, made: tuple[Path, Path]):
    one, other = (handed / "video" / f"{clip}.npz" for clip in CLIPS)
    one.write_bytes(other.read_bytes())
    assert any("stale" in line for line in problems(handed, made))


def test_the_command_lists_all_that_is_wrong_and_adds_nothing(handed: Path, made: tuple[Path, Path], tmp_path: Path):
    edit(handed, lambda _, row: replace(row, value=0.5) if row.metric == "depth_absrel" else row)
    command = [sys.executable, str(ROOT / "leaderboards" / "submit.py"), str(handed), "--suite", str(made[0]),
               "--results", str(tmp_path / "results"), "--media", str(tmp_path / "media")]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and "is refused:" in done.stderr and done.stderr.count("depth_absrel") == 2
    assert "Traceback" not in done.stderr and not (tmp_path / "results").exists()


def test_rows_edited_after_they_were_published_stop_the_build(handed: Path, made: tuple[Path, Path], tmp_path: Path):
    results = tmp_path / "results"
    submit.main(submit.Config(run=(handed,), suite=made[0], results=results, media=tmp_path / "media"))
    rows = results / "tiny-still.jsonl"
    rows.write_text(rows.read_text().replace('"value": 0.0', '"value": 0.1', 1))
    with pytest.raises(UserError, match="is not what was checked"):
        build.main(build.Config(results=results, out=tmp_path / "site", media=tmp_path / "media"))


def test_publishing_again_leaves_nothing_of_before(handed: Path, made: tuple[Path, Path], tmp_path: Path):
    """Drawings of the method and of clips that are no more, and parts of a viewer that no page names; not what is not ours."""
    media = tmp_path / "media"
    config = submit.Config(run=(handed,), suite=made[0], results=tmp_path / "results", media=media)
    submit.main(config)
    first = {path: path.read_bytes() for path in media.rglob("*") if path.is_file()}
    stale = [
        media / "tiny" / "gone" / "strip.webp",
        media / "tiny" / "gone" / "plane.html",
        media / "viewer" / "viewer-00000000.js",
    ]
    others = [
        media / "tiny" / CLIPS[0] / "plane-path.svg",
        media / "tiny" / "mine" / "notes.txt",
        media / "viewer" / "notes.txt",
    ]
    for path in (*stale, *others):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"of before")
    (media / "tiny" / CLIPS[1] / "still.html").write_bytes(b'<script src="../../viewer/viewer-00000000.js"></script>')
    submit.main(config)
    again = {path: path.read_bytes() for path in media.rglob("*") if path.is_file()}
    assert {path: again.pop(path) for path in others} == dict.fromkeys(others, b"of before")
    assert again == first and not (media / "tiny" / "gone").exists()


def test_bins_hold_sums_and_pixels():
    assert binned(np.array([1.0, 2.0, np.nan, 4.0]), np.array([0, 1, 1, -1]), 2) == [[1.0, 1], [2.0, 1]]


def test_splits_know_who_moved_and_when():
    """One pixel rests 1 m before the camera, one moves 0.5 m a time; the prediction moves nothing."""
    points = np.zeros((1, 3, 1, 2, 3), np.float32)
    points[0, :, 0, :, 2] = 1.0
    points[0, :, 0, 1, 0] = (0.0, 0.5, 1.0)
    still = np.repeat(points[:, :1], 3, axis=1)
    truth = Truth(K=np.tile(np.eye(3), (3, 1, 1)), world_from_camera=np.tile(np.eye(4), (3, 1, 1)),
                  depth=np.ones((3, 1, 2), np.float32), points=points, sources=(0,),
                  seen=np.array([[[[1, 1]], [[1, 2]], [[1, 4]]]], np.uint8))  # fmt: skip
    found = of_points(truth, Prediction(points=still))
    assert [count for _, count in found["motion"]] == [4, 0, 0, 0, 1, 1, 0]
    assert [count for _, count in found["time"]][:4] == [1, 1, 1, 0]
    assert [count for _, count in found["seen"]] == [1, 1, 0, 1, 0]
    norm = np.linalg.norm(points[0], axis=-1).mean()
    resting = np.hypot(0.0, 1 / norm - 1)
    assert found["motion"][0][0] == pytest.approx(4 * resting, rel=1e-5)
    assert found["motion"][5][0] == pytest.approx(np.linalg.norm(np.array([1, 0, 1]) / norm - [0, 0, 1]), rel=1e-5)
