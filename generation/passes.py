"""Frames in linear light, not denoised, with what a denoiser wants to know of them."""

from pathlib import Path

import numpy as np
import OpenEXR
import PIL.Image
from jaxtyping import Float32, UInt8

from generation.view import BlenderView, output

COLOUR, ALBEDO, NORMAL = "Combined", "Denoising Albedo", "Denoising Normal"
Image = Float32[np.ndarray, "H W 3"]


class Passes:
    """A scene in Blender, rendered without denoising."""

    def __init__(self, view: BlenderView, scratch: Path):
        """`scratch` is an existing folder."""
        self.view, self.scratch = view, scratch
        view.blender_scene.cycles.use_denoising = False
        view.blender_scene.render.use_compositing = view.blender_scene.render.use_sequencer = False
        view.blender_scene.view_layers[0].cycles.denoising_store_passes = True

    def render(self, frame: int) -> dict[str, Image]:
        """The passes of a frame by their names. With sub-pixels these stay as they are."""
        output(self.view.blender_scene, "OPEN_EXR_MULTILAYER")
        file = self.scratch / "passes.exr"
        file.unlink(missing_ok=True)
        self.view.render_as_set(frame, file)
        return _read(file)

    def seen(self, image: Image) -> UInt8[np.ndarray, "H W 3"]:
        """Linear light as the view transform shows it."""
        file = self.scratch / "seen.png"
        self.view.show(np.pad(image[::-1], [(0, 0), (0, 0), (0, 1)], constant_values=1.0), file)
        with PIL.Image.open(file) as shown:
            return np.asarray(shown.convert("RGB"))


def _read(file: Path) -> dict[str, Image]:
    found: dict[str, dict[str, np.ndarray]] = {}
    for name, channel in OpenEXR.File(str(file), separate_channels=True).channels().items():
        layer, letter = name.rsplit(".", 1)
        found.setdefault(layer.rsplit(".", 1)[-1], {})[letter] = channel.pixels
    return {
        layer: np.stack([of[letter] for letter in ("RGB" if "R" in of else "XYZ")], axis=-1).astype(np.float32)
        for layer, of in found.items()
        if {"R", "X"} & set(of) and len(of) >= 3
    }
