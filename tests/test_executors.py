"""Where methods run: the registry of executors, and Ray on a real cluster of this machine."""

from pathlib import Path

import pytest

from benchmark import run
from benchmark.asking import executor_names
from benchmark.rows import Row, read_rows
from tests.test_methods import add_method
from tests.tiny import tiny_clip
from vdpm.errors import UserError
from vdpm.storage import encode, write_shard

LONG, SHORT = "tiny-0-00000000", "tiny-0-00000001"
DYING = '''"""Ends its own process on clips of nine frames."""

import os
import signal

import numpy as np

from vdpm.clip import Prediction

VERSION = "1"


def load():
    def answer(video):
        if len(video.rgb) == 9:
            os.kill(os.getpid(), signal.SIGKILL)
        return Prediction(depth=np.ones(video.rgb.shape[:3], np.float32))

    return answer
'''


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip of 20 frames and one of 9."""
    folder = tmp_path_factory.mktemp("rendered")
    write_shard(folder / "a.tar", [(n, encode(tiny_clip(name=n, frames=f))) for n, f in ((LONG, 20), (SHORT, 9))])
    return folder


def scored(out: Path, folder: Path, **flags) -> list[Row]:
    run.main(run.Config(suite=str(folder), out=out, protocols=("video", "vdpm_pair2"), **flags))
    return read_rows(next(out.glob("*/*/rows.jsonl")))


def numbers(rows: list[Row]) -> list[tuple[str, str, str, float | None, str]]:
    return [(row.protocol, row.metric, row.clip, row.value, row.note) for row in rows]


def test_the_file_is_the_registration():
    assert executor_names() == ["local", "ray"]


def test_an_unknown_executor_is_one_line_and_nothing_is_started(folder: Path, tmp_path: Path):
    with pytest.raises(UserError, match="unknown executor 'slurm': choose one of local, ray"):
        scored(tmp_path, folder, method="plane", executor="slurm")
    assert not list(tmp_path.iterdir())


def test_no_cluster_there_is_one_line(folder: Path, tmp_path: Path):
    with pytest.raises(UserError, match="--address 127.0.0.1:1: no Ray cluster there"):
        scored(tmp_path, folder, method="plane", executor="ray", address="127.0.0.1:1")


@pytest.fixture
def address():
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2})
    yield cluster.address
    cluster.shutdown()


@pytest.mark.slow
def test_a_cluster_answers_as_this_machine(address: str, folder: Path, tmp_path: Path):
    local = scored(tmp_path / "local", folder, method="plane")
    ray = scored(tmp_path / "ray", folder, method="plane", executor="ray", address=address)
    assert numbers(ray) == numbers(local) and any(row.value is not None for row in ray)


@pytest.mark.slow
def test_a_method_that_dies_on_a_cluster_is_a_blank_and_the_rest_goes_on(
    address: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    add_method(monkeypatch, tmp_path / "methods", "dying", DYING)
    with pytest.raises(UserError, match="dying failed on 1 of 4 cases"):
        scored(tmp_path / "runs", folder, method="dying", executor="ray", address=address)
    rows = read_rows(tmp_path / "runs" / folder.name / "dying" / "rows.jsonl")
    values = {row.clip: (row.value, row.note) for row in rows if row.metric == "depth_absrel"}
    assert values[LONG][0] is not None and values[SHORT][0] is None and "signal 9" in values[SHORT][1]
