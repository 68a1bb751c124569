"""What renders: `--device` and `--engine`, chosen aloud. Nothing falls back to something else in silence.

Blender is a global of the process that imports it, so those who must not import it ask another process (`resolve`).
"""

import subprocess
import sys
from typing import Any

from vdpm.errors import UserError, unknown

ENGINES = ("cycles", "eevee")
GPUS = ("optix", "cuda", "hip", "metal")
"""In the order in which auto prefers them."""
DEVICES = ("auto", "cpu", *GPUS)


def check(device: str, engine: str) -> None:
    """Raises `UserError` on a name that is none, or a pair that does not go together."""
    if device not in DEVICES:
        raise unknown("device", device, list(DEVICES), "auto takes the fastest that is there")
    if engine not in ENGINES:
        raise unknown("engine", engine, list(ENGINES), "cycles traces paths, eevee rasterises")
    if engine == "eevee" and device not in ("auto", "cpu"):
        raise UserError(f"--engine eevee --device {device}: EEVEE renders through OpenGL, leave --device out")


def resolve(device: str, engine: str) -> str:
    """The device that `auto` or a GPU's name stands for on this machine; asks another process, but for what needs no asking.

    Raises:
        UserError: the device is not there, or the engine does not run.
    """
    check(device, engine)
    if device == "cpu" and engine == "cycles":
        return device
    asked = subprocess.run(
        [sys.executable, "-m", "generation.trial", "--device", device, "--engine", engine],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if asked.returncode == 0:
        return asked.stdout.split()[-1]
    if asked.returncode == 2:
        raise UserError(asked.stderr.strip().splitlines()[-1].removeprefix("error: "))
    raise UserError(
        f"--engine {engine}: Blender ended with status {asked.returncode} when it tried. EEVEE needs OpenGL 4.3 through "
        "EGL, also without a display: a GPU driver, or Mesa's (apt-get install libegl1 libegl-mesa0 libgl1-mesa-dri)"
    )


def apply(scene: Any, device: str) -> None:
    """Set the device of a Blender scene. To be called after every reset of Blender, which forgets it.

    Raises:
        UserError: the device is not there.
    """
    scene.cycles.device = "CPU"
    if device == "cpu":
        return
    preferences = _preferences()
    if not available(device):
        found = [gpu for gpu in GPUS if available(gpu)]
        raise UserError(f"--device {device}: this machine has none; there is {', '.join(['cpu', *found])}")
    for one in preferences.devices:
        one.use = one.type == device.upper()
    scene.cycles.device = "GPU"


def available(device: str) -> list[str]:
    """The names of the devices of a kind of GPU, which becomes the one chosen in Blender's preferences."""
    preferences = _preferences()
    try:
        preferences.compute_device_type = device.upper()
    except TypeError:  # not in this build of Blender
        return []
    preferences.get_devices()
    return [one.name for one in preferences.devices if one.type == device.upper()]


def describe(device: str, engine: str) -> str:
    """For the metadata of a clip: "Cycles, CPU", "Cycles, CUDA (NVIDIA H100)", "EEVEE"."""
    if engine == "eevee":
        return "EEVEE"
    return "Cycles, CPU" if device == "cpu" else f"Cycles, {device.upper()} ({', '.join(available(device))})"


def _preferences() -> Any:
    bpy: Any
    import bpy

    preferences: Any = bpy.context.preferences
    return preferences.addons["cycles"].preferences
