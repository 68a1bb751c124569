"""Try a device and an engine.

    python -m generation.trial --device auto

prints the device that would be taken, or says why there is none.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from generation.devices import GPUS, apply, available, check
from vdpm.errors import UserError, run_command


@dataclass(frozen=True, kw_only=True)
class Config:
    """The command line."""

    device: str = "auto"
    """auto, cpu, optix, cuda, hip or metal."""
    engine: str = "cycles"
    """cycles or eevee."""


def main(config: Config) -> None:
    """Print the device. For EEVEE, render something small: that Blender starts says nothing about OpenGL."""
    bpy: Any
    import bpy

    check(config.device, config.engine)
    scene = bpy.context.scene
    if config.engine == "eevee":
        device = "cpu" if config.device == "auto" else config.device
        _try_eevee(scene)
    else:
        device = config.device
        if device == "auto":
            device = next((gpu for gpu in GPUS if available(gpu)), "cpu")
        apply(scene, device)
    print(device)


def _try_eevee(scene: Any) -> None:
    bpy: Any
    import bpy

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trial.png"
        scene.render.engine, scene.render.filepath = "BLENDER_EEVEE_NEXT", str(path)
        scene.render.resolution_x = scene.render.resolution_y = 8
        scene.eevee.taa_render_samples = 1
        bpy.ops.render.render(write_still=True)
        if not path.exists():
            raise UserError("--engine eevee: Blender rendered nothing")


if __name__ == "__main__":
    run_command(lambda: main(tyro.cli(Config, description=__doc__)))
