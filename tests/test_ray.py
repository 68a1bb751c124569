"""`--executor ray` on a real cluster of two nodes on this machine, one of which is lost on the way."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

COMMAND = [
    sys.executable,
    "generation/render.py",
    "--num",
    "4",
    "--resolution",
    "64x48",
    "--frames",
    "2",
    "--samples",
    "1",
]
SHARD = "kubric_f-000000.tar"


def shard_hash(folder: Path) -> str:
    return hashlib.sha256((folder / SHARD).read_bytes()).hexdigest()


@pytest.fixture
def cluster():
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "memory": 8_000_000_000})
    yield cluster
    cluster.shutdown()


@pytest.mark.slow
def test_a_cluster_that_loses_a_node_makes_the_same_bytes(cluster, tmp_path):
    second = cluster.add_node(num_cpus=1, memory=8_000_000_000)
    address = ["--executor", "ray", "--address", cluster.address]
    run = subprocess.Popen([*COMMAND, *address, "--out", str(tmp_path / "ray")], stdout=subprocess.PIPE, text=True)
    makers = wait_for_makers(2)
    cluster.remove_node(second, allow_graceful=False)
    out, _ = run.communicate(timeout=400)
    assert run.returncode == 0 and "4 of 4 clips are in" in out
    assert subprocess.run([*COMMAND, "--out", str(tmp_path / "local")], check=False).returncode == 0
    assert shard_hash(tmp_path / "ray") == shard_hash(tmp_path / "local")
    assert json.loads((tmp_path / "ray" / "status.json").read_text())["done"] == 4
    cluster.shutdown()
    _, alive = psutil.wait_procs(makers, timeout=30)
    assert not alive


@pytest.mark.slow
def test_a_worker_of_ray_that_is_killed_is_replaced(cluster, tmp_path):
    address = ["--executor", "ray", "--address", cluster.address]
    run = subprocess.Popen([*COMMAND, *address, "--out", str(tmp_path)], stdout=subprocess.PIPE, text=True)
    os.kill(wait_for_makers(1)[0].pid, signal.SIGKILL)
    out, _ = run.communicate(timeout=400)
    assert run.returncode == 0 and "4 of 4 clips are in" in out


def wait_for_makers(count: int) -> list[psutil.Process]:
    """The processes that make clips, once there are so many."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        below = psutil.Process().children(recursive=True)
        makers = [process for process in below if is_maker(process)]
        if len(makers) >= count:
            return makers
        time.sleep(0.2)
    raise AssertionError(f"fewer than {count} workers after two minutes")


def is_maker(process: psutil.Process) -> bool:
    try:
        return "generation.working" in process.cmdline()
    except psutil.Error:
        return False


def test_no_cluster_there_is_one_line(tmp_path):
    address = ["--executor", "ray", "--address", "127.0.0.1:1"]
    done = subprocess.run([*COMMAND, *address, "--out", str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "no Ray cluster" in done.stderr.splitlines()[-1]
