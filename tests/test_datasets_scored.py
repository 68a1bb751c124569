"""Other people's data sets as suites: the truth is perfect under every protocol that a data set has truth for."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from benchmark import run
from benchmark.methods import oracle, still
from benchmark.metrics import METRICS
from benchmark.protocols import PROTOCOLS
from benchmark.rows import read_rows
from benchmark.scoring import score
from benchmark.suites import find_suite, read_suite
from benchmark.tasks import known, show, truth_of
from tests import layouts, layouts_more
from tests.layouts import scene
from tests.layouts_more import WRITERS
from vdpm.errors import UserError
from vdpm.recording import Recording

FEW = ("sintel", "worldtrack", "scannet:exported")
"""One with depth and cameras, one with tracks, one that stands still: the others are slow tests."""


@cache
def written(name: str, frames: int, folder: Path) -> Recording:
    WRITERS[name](folder, scene(frames))
    ((recording, fingerprint),) = read_suite(find_suite(name, folder))
    assert isinstance(recording, Recording) and len(fingerprint) == 64
    return recording


def check_oracle(name: str, folder: Path, frames: int, protocols: list[str]) -> set[str]:
    """Score the truth; the metrics that had a value."""
    recording, valued = written(name, frames, folder), set()
    for protocol in (PROTOCOLS[name] for name in protocols):
        metrics = [METRICS[metric] for metric in protocol.metrics if METRICS[metric].needs != "cost"]
        tasks = protocol.tasks(len(recording.rgb))
        answer = oracle.load_reference()
        told = tuple(answer(show(recording, task), truth_of(recording, task, with_seen=True)) for task in tasks)
        for metric, got in zip(metrics, score(recording, tasks, told, metrics, mean=protocol.mean), strict=True):
            if metric.needs not in known(recording) | {"visible"}:
                assert got.value is None and "the data set does not know" in got.note
            elif got.value is not None:
                perfect = 0.0 if metric.better == "lower" else 1.0
                assert got.value == pytest.approx(perfect, abs=2e-5), (name, protocol.name, metric.name)
                valued.add(metric.name)
    return valued


def asked(frames: int) -> list[str]:
    """Protocols that a recording of so many frames has tasks for."""
    return [name for name, protocol in PROTOCOLS.items() if name != "cost" and protocol.tasks(frames)]


@pytest.mark.parametrize("name", FEW)
def test_the_truth_is_perfect(name, tmp_path):
    valued = check_oracle(name, tmp_path, 9, ["video", "vdpm_pair2", "vdpm_pair8", "depth_monst3r", "scene_flow"])
    assert ("depth_absrel" in valued) == (name != "worldtrack")
    assert ("epe_p0_t1" in valued) == (name != "sintel")
    assert "pose_ate" in valued


@pytest.mark.slow
@pytest.mark.parametrize("name", WRITERS)
def test_the_truth_is_perfect_under_every_protocol(name, tmp_path):
    valued = check_oracle(name, tmp_path, 19, asked(19))
    recording = written(name, 19, tmp_path)
    for need in recording.known - {"K"}:
        assert [metric for metric in valued if METRICS[metric].needs == need], need


def test_the_command(tmp_path, capsys):
    """Sparse tracks: `still` is not perfect, the oracle is, and what the data set does not know is blank with the reason."""
    (tmp_path / "worldtrack").mkdir()
    layouts_more.worldtrack(tmp_path / "worldtrack", scene(5))
    for method in ("oracle", "still"):
        config = run.Config(
            method=method,
            suite="worldtrack",
            data_root=tmp_path,
            protocols=("video", "vdpm_pair2"),
            out=tmp_path / "out",
        )
        run.main(config)
    rows = {m: read_rows(tmp_path / "out" / "worldtrack-adt_mini" / m / "rows.jsonl") for m in ("oracle", "still")}
    values = {method: {row.metric: row for row in rows} for method, rows in rows.items()}
    assert values["oracle"]["epe_p0_t1"].value == pytest.approx(0, abs=1e-6)
    assert (values["still"]["epe_p0_t1_moving"].value or 0) > 1e-3
    blank = values["oracle"]["depth_absrel"]
    assert blank.value is None and blank.note == "the data set does not know depth"
    assert blank.clip == "worldtrack/adt_mini/A" and blank.family == "worldtrack"


def test_suites_that_are_not_there(tmp_path):
    with pytest.raises(UserError, match="suite 'sintel' needs --data-root DIR"):
        find_suite("sintel")
    with pytest.raises(UserError, match="no sequence of sintel:clean"):
        find_suite("sintel:clean", tmp_path)
    with pytest.raises(UserError, match="unknown data set 'mine'"):
        find_suite("mine", tmp_path)


def test_a_suite_changes_with_its_pixels(tmp_path):
    """What ties answers to a recording is all that it holds."""
    made = scene(3)
    layouts.sintel(tmp_path, made)
    suite = find_suite("sintel:clean", tmp_path)
    assert (suite.name, suite.version, suite.clips) == ("sintel-clean", "reading 1", ("sintel/clean/alley_2",))
    ((_, before),) = read_suite(suite)
    assert [print_ for _, print_ in read_suite(suite)] == [before]
    image = made.clip.rgb[1].copy()
    image[0, 0, 0] ^= 1
    layouts.save(image, tmp_path, "training", "clean", "alley_2", "frame_0002.png")
    ((_, after),) = read_suite(suite)
    assert before != after


def test_the_still_reference_moves_nothing(tmp_path):
    recording = written("scannet:exported", 5, tmp_path)
    (task,) = PROTOCOLS["vdpm_pair2"].tasks(3)
    answer = still.load_reference()(show(recording, task), truth_of(recording, task))
    truth = truth_of(recording, task)
    assert answer.points is not None and np.isfinite(truth.points).any()
    valid = np.isfinite(truth.points)
    assert np.allclose(answer.points[valid], truth.points[valid])  # a room that stands still is no test of motion
