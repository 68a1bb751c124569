"""Helper of test_optics.py, a process of its own because Blender is a global of one: `python -m tests.blender_optics OUT`.

A slab crosses the view of a camera from above, moved once by its pose and once by its vertices; a card stands behind it.
"""

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

STEP = 0.6
"""Metres a frame."""
SHUTTER = 0.5
FRAMES = 3


def main(out: Path) -> None:
    """Write images (H, W, 3) of frame 1: sharp, blurred by pose and by vertices, mean of moments, near and far focus."""
    from generation.renderer import _frame, open_view
    from generation.scene import Optics

    def image(scene, optics: Optics) -> np.ndarray:
        return _frame(open_view(replace(scene, optics=optics), samples=32), 1, folder / "frame.png").astype(np.float64)

    folder = Path(tempfile.mkdtemp())
    rigid, soft = scene(0.0, deforming=False), scene(0.0, deforming=True)
    blur = Optics(shutter=SHUTTER)
    shares = (np.arange(5) + 0.5) / 5 - 0.5
    moments = [image(scene(SHUTTER * share, deforming=False), Optics()) for share in shares]
    np.savez(
        out,
        sharp=image(rigid, Optics()),
        by_pose=image(rigid, blur),
        by_vertices=image(soft, blur),
        moments=np.mean(moments, axis=0),
        focused=image(rigid, Optics(f_stop=0.02, focus=np.full(FRAMES, 4.0))),
        unfocused=image(rigid, Optics(f_stop=0.02, focus=np.full(FRAMES, 1.0))),
    )


def scene(later: float, deforming: bool):
    """The scene, everything a share of a frame later."""
    from generation import assets, blocks, materials
    from generation.scene import Body, Light, Scene
    from vdpm.clip import Cameras
    from vdpm.geometry import rigid

    x = STEP * (np.arange(FRAMES) - 1 + later)
    still = np.tile(np.eye(4), (FRAMES, 1, 1))
    path = rigid(np.tile(np.eye(3), (FRAMES, 1, 1)), np.stack([x, 0 * x, 0.5 + 0 * x], axis=-1))
    slab = blocks.asset("slab", [blocks.box((1.0, 1.6, 0.1), (0.0, 0.0, 0.0))])
    shapes = slab.mesh.vertices + path[:, None, :3, 3].astype(np.float32) if deforming else None
    floor, dark, bright = assets.floor(20.0), materials.uniform(0.01, 1.0), materials.uniform(0.6, 1.0)
    bodies = (
        Body(name="floor", asset=floor, material=bright, world_from_body=still, facts={"role": "ground"}),
        Body(name="slab", asset=slab, material=dark, world_from_body=still if deforming else path, shapes=shapes),
    )
    down = rigid(np.diag([1.0, -1.0, -1.0]), np.array([0.0, 0.0, 4.6]))
    K = np.array([[60.0, 0.0, 32.0], [0.0, 60.0, 24.0], [0.0, 0.0, 1.0]])
    cameras = Cameras(K=np.tile(K, (FRAMES, 1, 1)), world_from_camera=np.tile(down, (FRAMES, 1, 1)))
    light = Light(
        hdri=assets.hdris()[0], turn_radians=0.0, irradiance=3.0, sun_strength=0.0, sun_direction=(0.0, 0.0, 1.0)
    )
    return Scene(family="test", bodies=bodies, cameras=cameras, light=light, resolution=(64, 48), frame_rate=12)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
