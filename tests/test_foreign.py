"""Models that are not imported: files there and back, programs, and what is refused; methods that die or never answer."""

import json
import sys
import time
import zipfile
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from benchmark import export_inputs, run
from benchmark.archive import read_npz
from benchmark.cost import COST_METRICS
from benchmark.foreign import Ticket, read_prediction
from benchmark.predictions import check
from benchmark.protocols import PROTOCOLS
from benchmark.rows import Row, read_rows
from tests.test_methods import add_method
from tests.tiny import tiny_clip
from vdpm.clip import Video
from vdpm.errors import UserError
from vdpm.storage import encode, write_shard

CLIPS = [tiny_clip(frames=3, name=f"tiny-0-0000000{number}") for number in range(2)]
VIDEO = Video(rgb=CLIPS[0].rgb, sources=(0, 2))
TICKET = Ticket(suite="s", protocol="video", protocol_version="1", clip="c", fingerprint="f", task=0)
FOREIGN = """
import json, sys
import numpy as np
from PIL import Image
from pathlib import Path
given, wanted = Path(sys.argv[1]), Path(sys.argv[2])
task = json.loads((given / "task.json").read_text())
frames = np.stack([np.asarray(Image.open(path)) for path in sorted(given.glob("*.png"))])
assert frames.shape == (task["frames"], task["height"], task["width"], 3)
wanted.parent.mkdir(parents=True, exist_ok=True)
np.savez(wanted, ticket=task["ticket"], depth=np.full(frames.shape[:3], 5.0), world_from_camera=np.tile(np.eye(4), (len(frames), 1, 1)))
"""
"""A model in an environment of its own: everything is five metres away."""


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pair")
    write_shard(folder / "a.tar", [(clip.name, encode(clip)) for clip in CLIPS])
    return folder


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("program") / "foreign.py"
    path.write_text(FOREIGN)
    return path


def rows(out: Path, suite: Path, method: str = "theirs") -> dict[tuple[str, str], Row]:
    return {(row.clip, row.metric): row for row in read_rows(out / suite.name / method / "rows.jsonl")}


def score(suite: Path, out: Path, **flags) -> None:
    run.main(run.Config(suite=str(suite), out=out, **{"protocols": ("video",), "name": "theirs", **flags}))


def test_answers_in_files_and_answers_of_a_program_score_alike(suite: Path, program: Path, tmp_path: Path):
    export_inputs.main(
        export_inputs.Config(suite=str(suite), out=tmp_path / "inputs", protocols=("video", "depth_cut3r"))
    )
    inputs = sorted((tmp_path / "inputs" / "video").iterdir())
    assert [path.name for path in inputs] == [f"{clip.name}-00" for clip in CLIPS]
    for path in inputs:
        sys.argv = ["foreign.py", str(path), str(tmp_path / "answers" / "video" / f"{path.name}.npz")]
        exec_file(program)
    score(suite, tmp_path / "1", method="folder", predictions=tmp_path / "answers")
    score(suite, tmp_path / "2", method="subprocess", command=f"{sys.executable} {program} {{input}} {{output}}")
    first, second = rows(tmp_path / "1", suite), rows(tmp_path / "2", suite)
    assert {key: row.value for key, row in first.items()} == {key: row.value for key, row in second.items()}
    row = first[CLIPS[0].name, "depth_absrel"]
    assert row.value is not None and (row.method, row.method_version, row.reference) == ("theirs", "1", False)


def exec_file(path: Path) -> None:
    import runpy

    runpy.run_path(str(path), run_name="__main__")


def test_a_program_that_fails_or_takes_too_long_costs_blanks(suite: Path, tmp_path: Path):
    crash = f"{sys.executable} -c \"import sys; sys.exit('no such weights')\" {{input}} {{output}}"
    with pytest.raises(UserError, match=r"theirs failed on 2 of 2 cases.*status 1: no such weights"):
        score(suite, tmp_path, method="subprocess", command=crash)
    began = time.monotonic()
    sleep = f'{sys.executable} -c "import time; time.sleep(600)"'
    with pytest.raises(UserError, match=r"longer than 1 s|no answer within 1 s|cannot start"):
        score(suite, tmp_path, method="subprocess", command=sleep, time_limit=1.0, overwrite=True)
    assert time.monotonic() - began < 120


def written(tmp_path: Path, **changes) -> Path:
    arrays = {"ticket": np.array(TICKET.text), "depth": np.ones((3, 24, 32)), **changes}
    path = tmp_path / "answer.npz"
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    return path


def test_arrays_of_any_precision_are_read(tmp_path: Path):
    told = read_prediction(written(tmp_path, depth=np.ones((3, 24, 32), np.float16), note="no cameras"), VIDEO, TICKET)
    assert told.depth is not None and told.depth.dtype == np.float32 and told.note == "no cameras"
    check(told, VIDEO)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ticket": None}, "has no ticket"),
        ({"ticket": np.array("{}")}, "answers another question"),
        ({"ticket": np.array("hello")}, "its ticket is not one of ours"),
        (
            {"ticket": np.array(replace(TICKET, protocol_version="0").text)},
            r"protocol_version '0', not '1'.*export_inputs",
        ),
        ({"ticket": np.array(replace(TICKET, fingerprint="g").text)}, "fingerprint 'g', not 'f'"),
        ({"disparity": np.ones(3)}, "holds 'disparity'; its arrays are ticket, K"),
        ({"depth": np.array([{}], dtype=object)}, "holds objects, which only a pickle can carry"),
        ({"depth": np.zeros((400, 1000, 1000), np.int8)}, "unpacks to .* more than the"),
    ],
)
def test_answers_that_are_none_are_refused_by_name(tmp_path: Path, changes: dict, message: str):
    with pytest.raises(UserError, match=message):
        read_prediction(written(tmp_path, **changes), VIDEO, TICKET)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"depth": np.ones((2, 24, 32))}, r"depth has shape \(2, 24, 32\), asked for was \(3, 24, 32\)"),
        ({"depth": np.full((3, 24, 32), np.nan)}, "NaN, infinite"),
        ({"depth": -np.ones((3, 24, 32))}, r"depth is not positive at 2304 of 2304 pixels.*\+z forward"),
        ({"depth": np.ones((3, 24, 32), int)}, "depth is int64"),
        ({"world_from_camera": np.tile(2 * np.eye(4), (3, 1, 1))}, "not a rotation and a translation"),
        ({"visible": np.ones((2, 3, 24, 32))}, "visible is float64, not a numpy array of bool"),
    ],
)
def test_arrays_that_are_wrong_are_refused_by_name(tmp_path: Path, changes: dict, message: str):
    path = written(tmp_path, **changes)
    with pytest.raises(UserError, match=message):  # when it is read, or when it is checked
        check(read_prediction(path, VIDEO, TICKET), VIDEO)


def test_a_missing_answer_says_where_it_is_missed(suite: Path, tmp_path: Path):
    (tmp_path / "answers").mkdir()
    with pytest.raises(UserError, match=r"failed on 2 of 2 cases.*no answer at .*video/tiny-0-00000000-00.npz"):
        score(suite, tmp_path / "runs", method="folder", predictions=tmp_path / "answers")


@pytest.mark.parametrize("name", ["../evil.npy", "/etc/evil.npy", "a/b.npy", "depth.exe"])
def test_members_outside_are_refused(tmp_path: Path, name: str):
    path = tmp_path / "evil.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, b"\x93NUMPY")
    with pytest.raises(ValueError, match="which is no array"):
        read_npz(path, 1000)


def test_a_header_that_lies_about_its_size_is_refused(tmp_path: Path):
    path = tmp_path / "liar.npz"
    np.savez(path, depth=np.ones(4))
    with zipfile.ZipFile(path) as archive:
        data = archive.read("depth.npy").replace(b"(4,)", b"(9,)")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("depth.npy", data)
    with pytest.raises(ValueError, match="its header promises"):
        read_npz(path, 10**6)


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path):
    path = tmp_path / "bomb.npz"
    np.savez_compressed(path, depth=np.zeros((1000, 1000, 100), np.float32))
    assert path.stat().st_size < 10**6
    with pytest.raises(ValueError, match="it unpacks to 400000"):
        read_npz(path, 10**6)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"method": "folder"}, "--method folder needs --predictions DIR"),
        ({"method": "folder", "predictions": Path("nowhere")}, "needs --predictions DIR, got 'nowhere'"),
        ({"method": "subprocess"}, "--method subprocess needs --command"),
        ({"method": "folder", "predictions": Path("."), "adapter": "vgg"}, "unknown adapter 'vgg'.*vggt"),
        ({"method": "folder", "predictions": Path("."), "name": "../x"}, "--name '../x'"),
        ({"method": "folder", "predictions": Path("."), "name": "oracle"}, "not a method of ours"),
        ({"method": "plane", "weights": "x.pt"}, "method 'plane' has none"),
        ({"method": "plane", "workers": 0}, "--workers 0"),
        ({"method": "plane", "time_limit": 0.0}, "--time-limit 0"),
    ],
)
def test_flags_that_make_no_sense_are_refused(flags: dict, message: str):
    with pytest.raises(UserError, match=message):
        run.main(run.Config(**flags))


# Methods in processes of their own

HURT = '''"""Answers, but for the first clip."""

import numpy as np

from vdpm.clip import Prediction

VERSION = "1"


def load():
    def answer(video):
        if answer.first:
            answer.first = False
            {fault}
        return Prediction(depth=np.ones(video.rgb.shape[:3], np.float32))

    answer.first = True
    return answer
'''


@pytest.mark.parametrize(
    ("fault", "reason", "flags"),
    [
        ("import os; os.kill(os.getpid(), 9)", "its process ended (signal 9, perhaps for want of memory)", {}),
        ("import os; os._exit(3)", "its process ended (exit status 3)", {}),
        ("import time; time.sleep(600)", "no answer within 15 s (--time-limit)", {"time_limit": 15.0}),
    ],
)
def test_a_process_that_ends_or_hangs_costs_one_clip(
    suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str, reason: str, flags: dict
):
    """The second clip meets a new process, whose first it is: it fails there too, or is answered by the old one."""
    add_method(monkeypatch, tmp_path / "methods", "hurt", HURT.format(fault=fault))
    with pytest.raises(UserError, match="hurt failed on"):
        run.main(run.Config(method="hurt", suite=str(suite), out=tmp_path / "runs", protocols=("video",), **flags))
    found = rows(tmp_path / "runs", suite, "hurt")
    assert found[CLIPS[0].name, "depth_absrel"].value is None
    assert reason in found[CLIPS[0].name, "depth_absrel"].note


def test_workers_share_the_clips_and_change_nothing(suite: Path, tmp_path: Path):
    for workers in (1, 2):
        run.main(run.Config(method="plane", suite=str(suite), out=tmp_path / str(workers), workers=workers))
    one, two = (rows(tmp_path / str(workers), suite, "plane") for workers in (1, 2))
    assert {key: row.value for key, row in one.items()} == {key: row.value for key, row in two.items()}


def test_cost_is_measured_where_the_method_works(suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A method that holds 200 MB, waits a fifth of a second and multiplies two matrices says so in its rows."""
    source = '''"""Costs what it costs."""

import time

import numpy as np
import torch

from vdpm.clip import Prediction

VERSION = "1"


def load():
    layer = torch.nn.Linear(64, 32, bias=False)

    def answer(video):
        time.sleep(0.2)
        held = np.ones(25_000_000)
        layer(torch.ones(10, 64))
        return Prediction(depth=np.full(video.rgb.shape[:3], held[0], np.float32))

    return answer
'''
    add_method(monkeypatch, tmp_path / "methods", "dear", source)
    config = run.Config(method="dear", suite=str(suite), out=tmp_path / "runs", protocols=("cost",), flops=True)
    run.main(config)
    found = {
        metric: row for (clip, metric), row in rows(tmp_path / "runs", suite, "dear").items() if clip == CLIPS[1].name
    }
    assert set(found) == {metric.name for metric in COST_METRICS} == set(PROTOCOLS["cost"].metrics)
    values = {name: row.value for name, row in found.items()}
    assert values["cost_parameters"] == 64 * 32 / 1e6 and values["cost_flops"] == 2 * 10 * 64 * 32 / 1e9
    assert values["cost_compute"] is not None and 0.2 <= values["cost_compute"] < 20
    assert values["cost_compute_per_frame"] == pytest.approx(values["cost_compute"] / 3)
    assert values["cost_load"] is not None and values["cost_load"] > 0
    assert values["cost_ram"] is not None and 0.2 < values["cost_ram"] < 3
    assert found["cost_compute"].note and values["cost_gpu"] is None


def test_other_weights_are_other_predictions(suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    source = HURT.format(fault="pass").replace('VERSION = "1"', 'VERSION = "1"\nWEIGHTS = "HURT_WEIGHTS"')
    add_method(monkeypatch, tmp_path / "methods", "hurt", source)
    monkeypatch.delenv("HURT_WEIGHTS", raising=False)
    weights = tmp_path / "a.pt"
    weights.write_bytes(b"one")
    config = run.Config(
        method="hurt", suite=str(suite), out=tmp_path / "runs", protocols=("video",), weights=str(weights)
    )
    run.main(config)
    weights.write_bytes(b"other")
    with pytest.raises(UserError, match=r"stale.*\(weights\).*--overwrite"):
        run.main(config)


def test_a_ticket_names_its_place():
    assert TICKET.place == Path("video") / "c-00"
    assert json.loads(TICKET.text) == asdict(TICKET)
