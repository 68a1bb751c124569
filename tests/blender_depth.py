"""Helper of test_view.py, a process of its own because Blender is a global of one: `python -m tests.blender_depth OUT W H`.

Renders one frame of a scene with Cycles' own Z pass, its rays through the pixel centres, beside the derived depth. The lens
zooms over the clip and its principal point is off the centre.
"""

import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np


def main(out: Path, width: int, height: int) -> None:
    """Write `blender` and `derived` depth (H, W) and the `triangle` map into an npz file."""
    import Imath
    import OpenEXR

    from generation import families, renderer, view
    from generation.scene import surfaces
    from vdpm import derive
    from vdpm.clip import Clip
    from vdpm.raycast import triangles_seen

    folder = Path(tempfile.mkdtemp())
    scene = families.load("kubric_f")(np.random.default_rng(0), 3, (width, height), folder)
    zoomed = scene.cameras.K + np.array([[0, 0, 0.04 * width], [0, 0, -0.03 * height], [0, 0, 0]])
    zoomed[:, [0, 1], [0, 1]] *= np.linspace(0.8, 1.3, 3)[:, None]
    scene = replace(scene, cameras=replace(scene.cameras, K=zoomed))
    bpy: Any = view.bpy
    blender_scene = renderer.open_view(scene, samples=1).blender_scene
    blender_scene.view_layers[0].use_pass_z = True
    blender_scene.cycles.use_denoising = False
    blender_scene.cycles.pixel_filter_type, blender_scene.cycles.filter_width = "BOX", 0.01
    settings = blender_scene.render.image_settings
    settings.file_format, settings.color_depth = "OPEN_EXR_MULTILAYER", "32"
    blender_scene.frame_set(1)
    blender_scene.render.filepath = str(folder / "z.exr")
    bpy.ops.render.render(write_still=True)
    file = OpenEXR.InputFile(str(folder / "z.exr"))
    channel = next(name for name in file.header()["channels"] if name.endswith("Depth.Z"))
    blender = np.frombuffer(file.channel(channel, Imath.PixelType(Imath.PixelType.FLOAT)), np.float32)
    clip = Clip(
        name="scene",
        rgb=np.zeros((3, height, width, 3), np.uint8),
        triangle=triangles_seen(surfaces(scene), scene.cameras, height, width),
        cameras=scene.cameras,
        surfaces=surfaces(scene),
    )
    np.savez(out, blender=blender.reshape(height, width), derived=derive.depth(clip, 1), triangle=clip.triangle[1])


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
