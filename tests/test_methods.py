"""Every registered method answers every protocol with what a prediction has to be; every wrong answer is refused."""

import hashlib
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import benchmark.methods
from benchmark.predictions import DTYPES, Answers, Header, check, read_answers, write_answers
from benchmark.protocols import PROTOCOLS
from benchmark.registry import find_method, method_names, start
from benchmark.scoring import show, truth_of
from benchmark.weights import identity
from tests.tiny import tiny_clip
from vdpm.clip import Prediction, Video
from vdpm.errors import UserError

CLIP = tiny_clip()
HEADER = Header(
    method="plane", method_version="1", protocol="video", protocol_version="1", clip=CLIP.name, fingerprint="f"
)
VIDEO = Video(rgb=CLIP.rgb[:3], sources=(0, 2))


def test_weights_that_come_along_are_told_by_their_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Answers that others of them gave are stale."""
    monkeypatch.delenv("VDPM_WEIGHTS", raising=False)
    monkeypatch.setattr("vdpm.model.default.SHIPPED", tmp_path)
    found = []
    for content in (b"one", b"another"):
        (tmp_path / "model.safetensors").write_bytes(content)
        found.append(identity(find_method("vdpm")))
    assert found == [hashlib.sha256(content).hexdigest() for content in (b"one", b"another")]


def good() -> Prediction:
    return start(find_method("plane"))(VIDEO, None)


def add_method(monkeypatch: pytest.MonkeyPatch, folder: Path, name: str, source: str) -> None:
    """Register a method for one test by dropping a file into a second folder."""
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.py").write_text(source)
    monkeypatch.setattr(benchmark.methods, "__path__", [*benchmark.methods.__path__, str(folder)])
    monkeypatch.delitem(sys.modules, f"benchmark.methods.{name}", raising=False)


@pytest.mark.parametrize("name", [name for name in method_names() if not find_method(name).needs])
@pytest.mark.parametrize("protocol", [name for name, protocol in PROTOCOLS.items() if not protocol.asks])
def test_every_method_answers_every_protocol(name: str, protocol: str):
    if name.endswith("sfm") and "pair" not in protocol:
        pytest.skip("takes long on frames of 24 x 32; tests/test_classical.py has larger and fewer ones")
    method = find_method(name)
    assert method.description.endswith(".") and method.version
    answer = start(method)
    task = PROTOCOLS[protocol].tasks(len(CLIP.rgb))[0]
    truth = truth_of(CLIP, task) if method.reference else None
    video = show(CLIP, task)
    prediction = answer(video, truth)
    check(prediction, video)
    for field in DTYPES:
        first, second = getattr(prediction, field), getattr(answer(video, truth), field)
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("name", [name for name in method_names() if find_method(name).needs])
def test_a_method_says_what_it_needs(name: str, monkeypatch: pytest.MonkeyPatch):
    """Its own tests bring it along. The variable that names it is the method's name in capitals, _ and what it needs."""
    method = find_method(name)
    assert method.description.endswith(".") and method.version
    monkeypatch.setenv(f"{name}_{method.needs}".upper(), "nowhere.pt")
    with pytest.raises(UserError, match=rf"method '{name}' needs {method.needs}.*nowhere\.pt") as error:
        start(method)
    assert "\n" not in str(error.value)


def test_still_does_not_move():
    task = PROTOCOLS["vdpm_pair8"].tasks(len(CLIP.rgb))[0]
    truth = truth_of(CLIP, task)
    points = start(find_method("still"))(show(CLIP, task), truth).points
    assert points is not None
    for source in (0, 1):
        seen = np.isfinite(truth.points[source, source])
        for time in (0, 1):
            np.testing.assert_array_equal(points[source, time][seen], truth.points[source, source][seen])


def test_only_references_are_shown_the_truth():
    assert {name: find_method(name).reference for name in ("oracle", "still", "plane")} == {
        "oracle": True,
        "still": True,
        "plane": False,
    }


def test_an_unknown_method_is_answered_with_the_list():
    names = ", ".join(method_names())
    assert "flow_lift, " in names and "vdpm" in names
    expected = f"unknown method 'stil': choose one of {names} (add one as benchmark/methods/<name>.py)"
    with pytest.raises(UserError, match=re.escape(expected)):
        find_method("stil")


def test_a_file_is_a_registration_and_listing_does_not_import_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    add_method(
        monkeypatch, tmp_path, "heavy", '"""Heavy."""\n\nVERSION = "7"\nimport no_such_package\n\ndef load(): ...\n'
    )
    assert "heavy" in method_names()
    method = find_method("heavy")
    assert (method.version, method.description, method.reference) == ("7", "Heavy.", False)
    with pytest.raises(UserError, match="method 'heavy' cannot start .*no_such_package.*install"):
        start(method)


@pytest.mark.parametrize("source", ["def load(): ...", '"""Doc."""\nVERSION = "1"', "VERSION = '1'\ndef load(): ..."])
def test_a_file_that_is_no_method_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str):
    add_method(monkeypatch, tmp_path, "incomplete", source)
    with pytest.raises(UserError, match='needs a docstring, VERSION = "1" and load'):
        find_method("incomplete")


def test_a_version_that_would_have_to_be_computed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    add_method(monkeypatch, tmp_path, "computed", '"""Doc."""\nVERSION = str(7)\ndef load(): ...')
    with pytest.raises(UserError, match=r"computed.py: VERSION .* so str\(7\) has to be a literal"):
        find_method("computed")


def test_the_registry_imports_nothing_heavy():
    code = "import sys, benchmark.registry as r; [r.find_method(n) for n in r.method_names()]; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "bpy", "pandas", "evo", "benchmark.methods.oracle"} & set(loaded)


def test_answers_come_back_as_they_were_written(tmp_path: Path):
    path = tmp_path / "a" / "b.npz"
    only_depth = Prediction(depth=good().depth)
    write_answers(path, HEADER, Answers(predictions=(good(), only_depth), seconds=1.5))
    read = read_answers(path, HEADER, [VIDEO, VIDEO])
    assert read.seconds == 1.5
    points, expected = read.predictions[0].points, good().points
    assert points is not None and expected is not None
    np.testing.assert_array_equal(points, expected)
    assert read.predictions[1].points is None and read.predictions[1].K is None
    assert [file.name for file in path.parent.iterdir()] == ["b.npz"]


def wrong(**arrays: object) -> Prediction:
    """A prediction that the type checker of the tests would not let through."""
    prediction = good()
    for name, array in arrays.items():
        object.__setattr__(prediction, name, array)
    return prediction


def with_nan(array: np.ndarray | None, value: float) -> np.ndarray:
    assert array is not None
    array = array.copy()
    array.flat[[1, 2]] = value
    return array


@pytest.mark.parametrize(
    ("prediction", "message"),
    [
        (
            wrong(depth=with_nan(good().depth, np.nan)),
            "depth holds 2 of 2304 values that are NaN, infinite or beyond float32",
        ),
        (
            wrong(points=with_nan(good().points, np.inf)),
            "points holds 2 of 13824 values that are NaN, infinite or beyond float32",
        ),
        (
            wrong(world_from_camera=with_nan(good().world_from_camera, 1e200)),
            "world_from_camera holds 2 of 48 values that",
        ),
        (wrong(depth=np.ones((3, 24, 31), np.float32)), "depth has shape (3, 24, 31), asked for was (3, 24, 32)"),
        (wrong(points=np.ones((1, 3, 24, 32, 3), np.float32)), "points has shape (1, 3, 24, 32, 3), asked for was (2,"),
        (wrong(world_from_camera=np.ones((3, 3, 4))), "world_from_camera has shape (3, 3, 4), asked for was (3, 4, 4)"),
        (wrong(depth=np.ones((3, 24, 32), int)), "depth is int64, not a numpy array of float32"),
        (wrong(depth=[1.0]), "depth is list, not a numpy array of float32"),
        (wrong(depth=np.array([None])), "depth is object, not a numpy array of float32"),
        (
            wrong(world_from_camera=np.tile(2.0 * np.eye(4), (3, 1, 1))),
            "world_from_camera of frame 0 is not a rotation",
        ),
        (wrong(world_from_camera=np.tile(np.diag([1.0, 1, -1, 1]), (3, 1, 1))), "of frame 0 is not a rotation"),
    ],
)
def test_wrong_answers_are_refused_by_name(prediction: Prediction, message: str):
    with pytest.raises(UserError, match=re.escape(message)):
        check(prediction, VIDEO)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "x.npz"
    write_answers(path, HEADER, Answers(predictions=(good(),), seconds=0.0))
    return path


@pytest.mark.parametrize("field", ["method", "method_version", "protocol", "protocol_version", "clip", "fingerprint"])
def test_stale_files_are_refused_with_the_flag_that_helps(written: Path, field: str):
    with pytest.raises(UserError, match=rf"stale.*\({field}\).*--overwrite"):
        read_answers(written, replace(HEADER, **{field: "other"}), [VIDEO])


def test_a_file_with_another_number_of_tasks_is_stale(written: Path):
    with pytest.raises(UserError, match="number of tasks"):
        read_answers(written, HEADER, [VIDEO, VIDEO])


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_files_cut_off_are_refused(written: Path, share: float):
    data = written.read_bytes()
    written.write_bytes(data[: int(share * len(data))])
    with pytest.raises(UserError, match="damaged.*--overwrite"):
        read_answers(written, HEADER, [VIDEO])


def test_a_flipped_bit_is_refused(written: Path):
    data = bytearray(written.read_bytes())
    data[len(data) // 2] ^= 1
    written.write_bytes(data)
    with pytest.raises(UserError, match="damaged.*--overwrite"):
        read_answers(written, HEADER, [VIDEO])


@pytest.mark.parametrize("place", ["header", "0.depth"])
def test_pickled_objects_are_never_loaded(written: Path, place: str):
    with np.load(written, allow_pickle=False) as arrays:
        content = dict(arrays)
    np.savez(written, **{**content, place: np.array([{}], dtype=object)})
    with pytest.raises(UserError, match="damaged"):
        read_answers(written, HEADER, [VIDEO])


def test_a_file_edited_to_hold_nan_is_refused(written: Path):
    with np.load(written, allow_pickle=False) as arrays:
        content = dict(arrays)
    np.savez(written, **{**content, "0.depth": with_nan(content["0.depth"], np.nan)})
    with pytest.raises(UserError, match="x.npz: depth holds 2 of 2304 values.*--overwrite"):
        read_answers(written, HEADER, [VIDEO])
