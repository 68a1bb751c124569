"""Frames in linear light with what a denoiser wants to know of them."""

from pathlib import Path

import numpy as np
import OpenEXR
from jaxtyping import Float32, UInt8
from PIL import Image

from generation.renderer import open_view
from generation.scene import Scene


class Passes:
    """A scene in Blender, which it resets, rendered without denoising."""

    def __init__(self, scene: Scene, samples: int, scratch: Path):
        """`scratch` is an existing folder."""
        self.view, self.scratch = open_view(scene, samples), scratch
        self.view.blender_scene.cycles.use_denoising = False
        self.view.blender_scene.view_layers[0].cycles.denoising_store_passes = True

    def render(self, frame: int) -> dict[str, Float32[np.ndarray, "H W 3"]]:
        """The passes of a frame by their names."""
        settings = self.view.blender_scene.render.image_settings
        settings.file_format, settings.color_depth, settings.exr_codec = "OPEN_EXR_MULTILAYER", "32", "NONE"
        file = self.scratch / "passes.exr"
        file.unlink(missing_ok=True)
        self.view.render(frame, file)
        return _read(file)

    def seen(self, image: Float32[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "H W 3"]:
        """Linear light as the view transform shows it."""
        file = self.scratch / "seen.png"
        self.view.show(np.pad(image[::-1], [(0, 0), (0, 0), (0, 1)], constant_values=1.0), file)
        with Image.open(file) as shown:
            return np.asarray(shown.convert("RGB"))


def _read(file: Path) -> dict[str, Float32[np.ndarray, "H W 3"]]:
    found: dict[str, dict[str, np.ndarray]] = {}
    for name, channel in OpenEXR.File(str(file), separate_channels=True).channels().items():
        layer, letter = name.rsplit(".", 1)
        found.setdefault(layer.rsplit(".", 1)[-1], {})[letter] = channel.pixels
    return {
        layer: np.stack([of[letter] for letter in ("RGB" if "R" in of else "XYZ")], axis=-1).astype(np.float32)
        for layer, of in found.items()
        if {"R", "X"} & set(of) and len(of) >= 3
    }
