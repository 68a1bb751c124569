"""The command from end to end: files, rows, table, and what a user sees when something is wrong."""

import errno
import json
import os
import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmark import bench, compare, freeze, run, suites
from benchmark.metrics import METRICS
from benchmark.protocols import PROTOCOLS, Task, find_protocols
from benchmark.rows import Row, commit, read_rows
from benchmark.scoring import truth_of
from tests.test_methods import add_method
from tests.tiny import tiny_clip
from vdpm.errors import UserError
from vdpm.files import replacing
from vdpm.storage import encode, write_shard

ROOT = Path(__file__).resolve().parents[1]
SCORES_PER_CLIP = sum(len(protocol.metrics) for protocol in find_protocols(()))
LONG, SHORT = tiny_clip(name="tiny-0-00000000"), tiny_clip(frames=9, name="tiny-0-00000001")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two shards: a clip of 20 frames, a clip too short for tracking."""
    folder = tmp_path_factory.mktemp("rendered")
    for name, clip in (("a", LONG), ("b", SHORT)):
        write_shard(folder / f"{name}.tar", [(clip.name, encode(clip))])
    return folder


@pytest.fixture
def frozen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty place for frozen suites."""
    monkeypatch.setattr(suites, "FROZEN", tmp_path / "frozen")
    return tmp_path / "frozen"


def score(method: str, suite: Path | str, out: Path, **flags) -> list[Row]:
    run.main(run.Config(method=method, suite=str(suite), out=out, **flags))
    return read_rows(next(out.glob(f"*/{method}/rows.jsonl")))


def shell(*arguments: object, **options) -> subprocess.CompletedProcess[str]:
    """`python benchmark/run.py` as a user types it."""
    command = [sys.executable, str(ROOT / "benchmark" / "run.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, **options)


def one_line(done: subprocess.CompletedProcess[str], *parts: str) -> None:
    """The error is status 2 and one line that holds all the parts."""
    assert done.returncode == 2, done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and "Traceback" not in done.stderr
    for part in parts:
        assert part in errors[0]


# What comes out


def test_the_command_answers_with_a_table_and_rows(folder: Path, tmp_path: Path):
    done = shell("--method", "still", "--suite", folder, "--out", tmp_path / "runs", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for text in ("AbsRel", "P0(t1)", "moving only", "needs 19", "rows.jsonl"):
        assert text in done.stdout
    rows = read_rows(tmp_path / "runs" / folder.name / "still" / "rows.jsonl")
    assert len(rows) == 2 * SCORES_PER_CLIP
    assert {row.commit for row in rows} == {commit()}
    assert {(row.family, row.method, row.reference, row.suite_version) for row in rows} == {
        ("tiny", "still", True, "unfrozen")
    }


def test_rows_are_strict_json_with_unit_version_and_commit(folder: Path, tmp_path: Path):
    score("plane", folder, tmp_path)
    for line in (tmp_path / folder.name / "plane" / "rows.jsonl").read_text().splitlines():
        row = json.loads(line, parse_constant=pytest.fail)
        assert row["unit"] == METRICS[row["metric"]].unit and row["protocol_version"] and row["commit"]
        assert (row["value"] is None) == (row["count"] == 0)
        assert row["value"] is not None or row["note"]


def test_a_clip_too_short_gets_blanks_and_not_an_error(folder: Path, tmp_path: Path):
    rows = score("oracle", folder, tmp_path)
    blanks = [row for row in rows if row.value is None]
    assert {(row.clip, row.protocol) for row in blanks} == {(SHORT.name, "vdpm_track10")}
    assert {row.note for row in blanks} == {"the clip has 9 frames, vdpm_track10 needs 19"}


def test_scoring_again_reads_the_files_and_never_the_method(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    first = score("plane", folder, tmp_path)
    monkeypatch.setattr("benchmark.asking.Worker", lambda *_: pytest.fail("the method was started"))
    assert score("plane", folder, tmp_path) == first


def test_overwrite_predicts_again(folder: Path, tmp_path: Path):
    score("plane", folder, tmp_path, protocols=("video",))
    path = tmp_path / folder.name / "plane" / "video" / f"{LONG.name}.npz"
    path.write_bytes(b"damaged")
    with pytest.raises(UserError, match="damaged.*--overwrite"):
        score("plane", folder, tmp_path, protocols=("video",))
    assert len(score("plane", folder, tmp_path, protocols=("video",), overwrite=True)) == 10


def test_a_subset_of_protocols_keeps_the_rows_of_the_others(folder: Path, tmp_path: Path):
    score("plane", folder, tmp_path, protocols=("vdpm_pair2",))
    rows = score("plane", folder, tmp_path, protocols=("video",))
    assert {row.protocol for row in rows} == {"vdpm_pair2", "video"}


def test_a_clip_rendered_differently_makes_its_predictions_stale(folder: Path, tmp_path: Path):
    other = tmp_path / folder.name
    other.mkdir()
    write_shard(other / "a.tar", [(LONG.name, encode(tiny_clip(height=20, name=LONG.name)))])
    score("plane", folder, tmp_path / "runs", protocols=("video",))
    with pytest.raises(UserError, match=r"stale.*\(fingerprint\).*--overwrite"):
        score("plane", other, tmp_path / "runs", protocols=("video",))


def test_listing_shows_what_can_be_named(folder: Path):
    done = shell("--list")
    assert done.returncode == 0
    for name in ("oracle", "still", "plane", *PROTOCOLS):
        assert name in done.stdout


def test_help_explains_every_flag():
    text = " ".join(shell("--help").stdout.replace("│", " ").split())
    for part in ("--method", "--suite", "--protocols", "--out", "--overwrite", "--list", "Exit status"):
        assert part in text


# Methods that fail

FAILING = '''"""Fails on clips of nine frames."""

import numpy as np

from vdpm.clip import Prediction

VERSION = "1"


def load():
    def answer(video):
        depth = np.ones(video.rgb.shape[:3], np.float32)
        if len(video.rgb) == 9:
            {fault}
        return Prediction(depth=depth)

    return answer
'''


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (
            "depth[0, 0, :3] = np.nan",
            "prediction refused: depth holds 3 of 6912 values that are NaN, infinite or beyond float32",
        ),
        ("depth = depth[1:]", "prediction refused: depth has shape (8, 24, 32), asked for was (9, 24, 32)"),
        ("raise MemoryError('out of memory')", "method failed: MemoryError: out of memory"),
    ],
)
def test_a_failure_is_a_blank_and_the_rest_is_finished(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str, reason: str
):
    add_method(monkeypatch, tmp_path / "methods", "failing", FAILING.format(fault=fault))
    with pytest.raises(UserError, match="failing failed on 1 of 2 cases, first: "):
        score("failing", folder, tmp_path / "runs", protocols=("video",))
    rows = read_rows(tmp_path / "runs" / folder.name / "failing" / "rows.jsonl")
    values = {row.clip: row.value for row in rows if row.metric == "depth_absrel"}
    assert values[LONG.name] is not None and values[SHORT.name] is None
    assert {row.note for row in rows if row.clip == SHORT.name} == {reason}
    assert {row.note for row in rows if row.metric == "pose_ate" and row.clip == LONG.name} == {
        "world_from_camera not claimed"
    }
    assert not (tmp_path / "runs" / folder.name / "failing" / "video" / f"{SHORT.name}.npz").exists()


# Suites


def freeze_it(folder: Path, **changes) -> Path:
    config = {"folder": folder, "name": "small", "description": "Two clips.", **changes}
    return freeze.freeze(freeze.Config(**config))


def test_a_frozen_suite_scores_the_same_as_its_folder(folder: Path, frozen: Path, tmp_path: Path):
    freeze_it(folder)
    assert suites.frozen_names() == ["small"]
    suite = suites.find_suite("small")
    assert (suite.version, suite.clips) == ("1", (LONG.name, SHORT.name))
    names = ("clip", "metric", "value", "count")
    from_folder, from_suite = score("plane", folder, tmp_path / "1"), score("plane", "small", tmp_path / "2")
    assert [[getattr(row, name) for name in names] for row in from_folder] == [
        [getattr(row, name) for name in names] for row in from_suite
    ]


def test_a_version_is_frozen_once(folder: Path, frozen: Path):
    target = freeze_it(folder)
    with pytest.raises(UserError, match="version 1 is already frozen; raise --version"):
        freeze_it(folder)
    (folder / "b.tar").rename(folder.parent / "b.tar")
    try:
        freeze_it(folder, version="2")
    finally:
        (folder.parent / "b.tar").rename(folder / "b.tar")
    assert suites.find_suite("small").clips == (LONG.name,)
    assert sorted(file.name for file in target.iterdir()) == ["a.tar", "suite.json"]


def test_an_altered_or_missing_shard_is_refused(folder: Path, frozen: Path):
    shard = freeze_it(folder) / "b.tar"
    shard.write_bytes(shard.read_bytes() + b"\0")
    with pytest.raises(UserError, match="b.tar is missing or was altered.*restore it with git"):
        suites.find_suite("small")
    shard.unlink()
    with pytest.raises(UserError, match="b.tar is missing"):
        suites.find_suite("small")


def test_a_clip_that_is_there_twice_is_refused(folder: Path, tmp_path: Path):
    for name in ("a.tar", "c.tar"):
        (tmp_path / name).write_bytes((folder / "a.tar").read_bytes())
    with pytest.raises(UserError, match=f"clip '{LONG.name}' is there more than once"):
        suites.find_suite(str(tmp_path))


def test_the_committed_suites_are_whole_and_small():
    for name in suites.frozen_names():
        if "recipe" in suites.facts(name):  # its clips are rendered where they are needed
            assert sum(file.stat().st_size for file in (suites.FROZEN / name).iterdir()) < 2e6
            continue
        suite = suites.find_suite(name)
        assert suites.clip_names(suite.shards) == suite.clips
        assert sum(shard.stat().st_size for shard in suite.shards) < 12e6


# Bad input: one line, status 2


def test_an_unknown_method_is_one_line():
    one_line(shell("--method", "stil"), "unknown method 'stil'", "oracle, plane, sfm, still", "benchmark/methods/")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, "unknown method ''.*--method"),
        ({"method": "still", "suite": "nowhere"}, "unknown suite 'nowhere'.*folder of rendered shards"),
        ({"method": "still", "suite": "."}, "holds no .tar shard"),
        ({"method": "still", "suite": "rendered", "protocols": ("vdpm",)}, "unknown protocol 'vdpm'.*vdpm_track10"),
    ],
)
def test_bad_names_are_refused(config: dict, message: str, folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(folder.parent)
    config = {**config, "suite": str(folder)} if config.get("suite") == "rendered" else config
    with pytest.raises(UserError, match=message):
        run.main(run.Config(**config))


def test_bad_flags_are_status_2():
    done = shell("--methods", "still")
    assert done.returncode == 2 and "Traceback" not in done.stderr


@pytest.mark.parametrize("share", [0.3, 0.6])
def test_a_truncated_shard_is_one_line(folder: Path, tmp_path: Path, share: float):
    data = (folder / "a.tar").read_bytes().rstrip(b"\0")  # the empty blocks at the end may be cut
    (tmp_path / "cut.tar").write_bytes(data[: int(share * len(data))])
    with pytest.raises(UserError, match="cut.tar|damaged"):
        score("plane", tmp_path, tmp_path / "runs")


def test_a_foreign_tar_is_one_line(tmp_path: Path):
    (tmp_path / "x.tar").write_bytes(b"no tar at all" * 100)
    one_line(shell("--method", "plane", "--suite", tmp_path, "--out", tmp_path / "runs"), "x.tar")
    write_shard(tmp_path / "x.tar", [("photo", {"jpg": b"holiday"})])
    with pytest.raises(UserError, match="'photo'"):
        score("plane", tmp_path, tmp_path / "runs")


def test_an_unwritable_folder_is_one_line(folder: Path, tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    one_line(shell("--method", "plane", "--suite", folder, "--out", tmp_path / "file"), "cannot write", str(tmp_path))


def test_a_full_disk_is_one_line_and_keeps_what_was_finished(folder: Path, tmp_path: Path):
    def small_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    arguments = ("--method", "plane", "--suite", folder, "--out", tmp_path / "runs")
    one_line(shell(*arguments, preexec_fn=small_files), "cannot write", "what was finished is kept")
    kept = [file.name for file in (tmp_path / "runs").rglob("*") if file.is_file()]
    assert kept == [f"{LONG.name}.npz"]  # the depth of the video fits, the four pairs do not; nothing half-written
    assert shell(*arguments).returncode == 0


def test_no_space_left_keeps_the_older_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "rows.jsonl"
    path.write_text("older")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match="No space left on device"), replacing(path) as file:
        file.write(b"newer")
    assert path.read_text() == "older" and [file.name for file in tmp_path.iterdir()] == ["rows.jsonl"]


def test_an_interruption_keeps_what_was_finished(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    source = FAILING.format(fault="raise KeyboardInterrupt")
    add_method(monkeypatch, tmp_path / "methods", "interrupted", source)
    with pytest.raises(KeyboardInterrupt):
        score("interrupted", folder, tmp_path / "runs", protocols=("video",))
    assert (tmp_path / "runs" / folder.name / "interrupted" / "video" / f"{LONG.name}.npz").exists()


def test_scores_do_not_depend_on_the_folder_they_are_run_in(folder: Path, tmp_path: Path):
    (tmp_path / "elsewhere").mkdir()
    done = shell(
        "--method", "plane", "--suite", folder, "--out", "runs", "--protocols", "video", cwd=tmp_path / "elsewhere"
    )
    assert done.returncode == 0
    there = read_rows(tmp_path / "elsewhere" / "runs" / folder.name / "plane" / "rows.jsonl")
    here = score("plane", folder, tmp_path / "here", protocols=("video",))
    assert [row.value for row in there] == [row.value for row in here]


# Beside the command: comparison and timing


def test_two_runs_are_compared_clip_by_clip(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    plane, still = (score(method, folder, tmp_path, protocols=("vdpm_pair8",)) for method in ("plane", "still"))
    found = {each.metric: each for each in compare.pairings(plane, still, np.random.default_rng(0))}
    absolute = found["epe_p0_t0"]
    assert absolute.first.count == 2 and (absolute.first_better, absolute.second_better) == (0, 2)
    assert absolute.comparison.difference.high < 0
    first, second = (tmp_path / folder.name / method / "rows.jsonl" for method in ("plane", "still"))
    compare.main(compare.Config(first=first, second=second))
    assert "epe_p1_t1_moving" in capsys.readouterr().out
    other = [replace(row, protocol_version="0") for row in still]
    with pytest.raises(UserError, match="share no clip"):
        compare.pairings(plane, other, np.random.default_rng(0))


def test_protocols_that_share_answers_ask_once(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    rows = score("plane", folder, tmp_path, protocols=("depth_megasam", "pose_auc_vggt"))
    assert {row.protocol for row in rows} == {"depth_megasam", "pose_auc_vggt"}
    assert [path.name for path in (tmp_path / folder.name / "plane").iterdir() if path.is_dir()] == ["video"]
    monkeypatch.setattr("benchmark.asking.Worker", lambda *_: pytest.fail("the method was started"))
    score("plane", folder, tmp_path, protocols=("video", "depth_cut3r"))


def test_the_fast_and_the_straightforward_way_agree():
    clip = bench.enlarged(LONG)
    truth = truth_of(clip, Task(frames=tuple(range(bench.FRAMES)), sources=(0,)), with_depth=False)
    told = np.nan_to_num(truth.points, nan=1.0) + np.float32(0.01)
    fast, numbers = bench.seconds(lambda: bench.ours(clip, told), repeats=1)
    slow, plain = bench.seconds(lambda: bench.straightforward(clip, told), repeats=1)
    assert numbers == pytest.approx(plain, rel=1e-9) and slow > fast
