"""A device or an engine that is not there stops a run with one line; nothing falls back in silence."""

import subprocess
import sys

import pytest

from generation import devices
from vdpm.errors import UserError


@pytest.mark.parametrize(
    ("device", "engine", "words"),
    [
        ("gpu", "cycles", "unknown device 'gpu': choose one of auto, cpu, optix, cuda, hip, metal"),
        ("cpu", "workbench", "unknown engine 'workbench': choose one of cycles, eevee"),
        ("cuda", "eevee", "--engine eevee --device cuda: EEVEE renders through OpenGL"),
    ],
)
def test_names_that_are_none(device, engine, words):
    with pytest.raises(UserError) as error:
        devices.check(device, engine)
    assert str(error.value).startswith(words)


def test_cpu_needs_no_asking(monkeypatch):
    monkeypatch.setattr(subprocess, "run", None)
    assert devices.resolve("cpu", "cycles") == "cpu"


def test_a_device_that_is_not_there_is_one_line_and_the_device_is_set_again_after_every_reset():
    """Metal is never there: Blender's wheel for Linux is not built with it."""
    code = """
from generation import devices
from generation.kubric_compat import kb
from generation.view import BlenderView
from vdpm.errors import UserError
for _ in range(2):
    view = BlenderView(kb.Scene(), 1)
    assert view.blender_scene.cycles.device == "CPU"
    view.blender_scene.cycles.device = "GPU"
print(devices.describe("cpu", "cycles"), devices.describe("cpu", "eevee"), sep="; ")
try:
    BlenderView(kb.Scene(), 1, device="metal")
except UserError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[-2] == "Cycles, CPU; EEVEE"
    assert lines[-1].startswith("--device metal: this machine has none; there is cpu")


def test_an_engine_that_crashes_blender_is_one_line(monkeypatch):
    """EEVEE without EGL takes the process down; the process that asked lives on."""
    real = subprocess.run
    crash = [sys.executable, "-c", "import os; os.abort()"]
    monkeypatch.setattr(subprocess, "run", lambda command, **options: real(crash, **options))
    with pytest.raises(UserError, match="EEVEE needs OpenGL 4.3 through EGL"):
        devices.resolve("cpu", "eevee")
