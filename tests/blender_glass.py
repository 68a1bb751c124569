"""Helper of test_glass.py, a process of its own because Blender is a global of one: `python -m tests.blender_glass OUT`.

A ball in front of a wall whose left half is dark and whose right half is bright.
"""

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np


def main(out: Path) -> None:
    """Write images (H, W, 3): with a ball of glass, and with one of dull grey."""
    from generation.glass import glazed
    from generation.renderer import _frame, open_view

    folder = Path(tempfile.mkdtemp())
    dull = scene()
    clear = glazed(dull, 1.0, np.random.default_rng(0))
    images = {
        name: _frame(open_view(shown, samples=32), 0, folder / "frame.png")
        for name, shown in (("dull", dull), ("clear", clear))
    }
    np.savez(out, **images)


def scene():
    """The ball, of 1 m, is 3 m away and the wall 6 m."""
    from generation import assets, blocks, materials
    from generation.scene import Body, Light, Scene
    from vdpm.clip import Cameras
    from vdpm.geometry import rigid

    still = np.tile(np.eye(4), (2, 1, 1))
    middle = np.tile(rigid(np.eye(3), np.array([0.0, 0.0, 1.0])), (2, 1, 1))
    halves = {
        name: (blocks.asset(name, [blocks.box((4.0, 0.1, 4.0), (x, 3.0, -1.0))]), materials.uniform(grey, 1.0))
        for name, x, grey in (("left", -2.0, 0.01), ("right", 2.0, 0.7))
    }
    bodies = [
        Body(name=name, asset=asset, material=look, world_from_body=still, facts={"role": "structure"})
        for name, (asset, look) in halves.items()
    ]
    ball = assets.procedural("sphere", 0)
    bodies.append(
        Body(
            name="ball",
            asset=ball,
            material=materials.uniform(0.3, 1.0),
            world_from_body=middle,
            facts={"role": "tossed"},
        )
    )
    ahead = rigid(np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]]), np.array([0.0, -3.0, 1.0]))
    K = np.array([[48.0, 0.0, 24.0], [0.0, 48.0, 24.0], [0.0, 0.0, 1.0]])
    cameras = Cameras(K=np.tile(K, (2, 1, 1)), world_from_camera=np.tile(ahead, (2, 1, 1)))
    light = Light(
        hdri=assets.hdris()[0], turn_radians=0.0, irradiance=3.0, sun_strength=0.0, sun_direction=(0.0, 0.0, 1.0)
    )
    shown = Scene(family="test", bodies=tuple(bodies), cameras=cameras, light=light, resolution=(48, 48), frame_rate=12)
    return replace(shown, still=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
