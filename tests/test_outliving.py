"""A worker whose keeper is killed: it finishes its clip, and whoever wants the same one waits. Real processes, no Blender."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.tiny import tiny_clip
from vdpm.storage import encode, write_shard

CHILD = """
import sys, time
from dataclasses import replace
from generation import working
from tests.tiny import tiny_clip

def make_clip(family, index, recipe, skipped, on_attempt):
    on_attempt(0)
    with open(sys.argv[1], "a") as log:
        log.write("begun\\n")
    time.sleep(float(sys.argv[2]))
    return replace(tiny_clip(frames=2), meta={"refused": ["too dark"], "substituted": {}})

working.make_clip = make_clip
working.main()
"""
KEEPER = """
import subprocess, sys
child = subprocess.Popen(sys.argv[2:], stdin=subprocess.PIPE)
child.stdin.write(sys.argv[1].encode() + b"\\n")
child.stdin.flush()
print(child.pid, flush=True)
sys.stdin.read()
"""


class Scene:
    """A clip to make, in a folder of its own."""

    def __init__(self, folder: Path):
        self.clip, self.log, self.scratch = folder / "clips" / "tiny.tar", folder / "log", folder / "scratch"
        self.scratch.mkdir()

    def task(self, timeout: float = 60.0) -> str:
        recipe = {"seed": 0, "resolution": [8, 8], "frames": 2, "samples": 1}
        limits = {"timeout": timeout, "memory": 4000}
        task = {"family": "f", "index": 0, "recipe": recipe, "path": str(self.clip), "skipped": [], "outlive": limits}
        return json.dumps(task)

    def command(self, seconds: float) -> list[str]:
        return [sys.executable, "-c", CHILD, str(self.log), str(seconds)]

    def orphan(self, seconds: float, timeout: float = 60.0) -> psutil.Process:
        """A child in the middle of its clip whose keeper has just been killed."""
        command = [sys.executable, "-c", KEEPER, self.task(timeout), *self.command(seconds)]
        environment = {**os.environ, "TMPDIR": str(self.scratch)}
        keeper = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        assert keeper.stdout is not None
        child = psutil.Process(int(keeper.stdout.readline()))
        wait_until(self.log.exists)
        keeper.send_signal(signal.SIGKILL)
        keeper.wait()
        return child

    def make(self, seconds: float = 0.0) -> dict[str, dict[str, object]]:
        """The last answer of another child that is given the same clip."""
        command = self.command(seconds)
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
            assert child.stdin is not None and child.stdout is not None
            child.stdin.write(self.task().encode() + b"\n")
            child.stdin.flush()
            answers = (json.loads(line) for line in child.stdout)
            made = next(answer for answer in answers if "attempt" not in answer)
            child.kill()
        return made

    def begun(self) -> int:
        return len(self.log.read_text().split())


def wait_until(condition) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


@pytest.fixture
def scene(tmp_path) -> Scene:
    return Scene(tmp_path)


def test_an_orphan_finishes_its_clip_and_ends_and_another_waits_for_it(scene):
    child = scene.orphan(seconds=4)
    assert not gone(child) and not scene.clip.exists()
    assert scene.make() == {"made": {"refused": 1, "substituted": {}}}
    assert scene.begun() == 1 and scene.clip.exists()
    wait_until(lambda: gone(child))
    assert not scene.scratch.exists() and [path.name for path in scene.clip.parent.iterdir()] == ["tiny.tar"]
    write_shard(scene.log.with_name("same.tar"), [("tiny-0-00000000", encode(tiny_clip(frames=2)))])
    assert scene.clip.stat().st_size > 0.5 * scene.log.with_name("same.tar").stat().st_size


def test_the_claim_of_a_child_that_was_killed_is_free(scene):
    child = scene.orphan(seconds=600)
    child.kill()
    wait_until(lambda: gone(child))
    assert scene.make() == {"made": {"refused": 1, "substituted": {}}} and scene.begun() == 2


def test_an_orphan_that_takes_too_long_ends_itself(scene):
    child = scene.orphan(seconds=600, timeout=1)
    wait_until(lambda: gone(child))
    assert not scene.clip.exists() and not scene.scratch.exists()
