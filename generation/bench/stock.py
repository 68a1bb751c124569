"""Kubric's own Blender view, as its MOVi-F worker configures it, on a Blender that it was not written for.

What is Kubric's is left to it: the render settings, two view layers, the multilayer EXR on disk and its way back, the PNG.
What it cannot do here is replaced: materials and meshes (inputs of the shader were renamed, the OBJ importer is gone) are
made by our view's functions, so that both render the same scene; of scikit-learn, which Kubric needs for one hash, there is
just that.
"""

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from generation import shaders
from generation.kubric_compat import gfile_only, kb
from generation.renderer import fill
from generation.scene import Scene
from generation.view import Environment, MeshObject, SurfaceMaterial, blender_mesh


def murmurhash3_32(text: str, positive: bool) -> int:
    """MurmurHash3 of UTF-8 text, 32 bits, seed 0 (Appleby 2011), by which Cryptomatte names things."""
    data, hashed = text.encode(), 0
    for start in range(0, len(data), 4):
        block = int.from_bytes(data[start : start + 4], "little") * 0xCC9E2D51 & 0xFFFFFFFF
        block = ((block << 15 | block >> 17) & 0xFFFFFFFF) * 0x1B873593 & 0xFFFFFFFF
        hashed ^= block
        if start + 4 <= len(data):
            hashed = ((hashed << 13 | hashed >> 19) & 0xFFFFFFFF) * 5 + 0xE6546B64 & 0xFFFFFFFF
    hashed ^= len(data)
    hashed = (hashed ^ hashed >> 16) * 0x85EBCA6B & 0xFFFFFFFF
    hashed = (hashed ^ hashed >> 13) * 0xC2B2AE35 & 0xFFFFFFFF
    return hashed ^ hashed >> 16


def _kubric_view() -> Any:
    """Kubric's class, imported with stand-ins for TensorFlow and scikit-learn that are gone afterwards."""
    learn, utils = ModuleType("sklearn"), ModuleType("sklearn.utils")
    utils.murmurhash3_32 = murmurhash3_32  # pyright: ignore[reportAttributeAccessIssue]
    learn.utils = utils  # pyright: ignore[reportAttributeAccessIssue]
    stand_ins = {"tensorflow": gfile_only(), "sklearn": learn, "sklearn.utils": utils}
    before = {name: sys.modules.get(name) for name in stand_ins}
    sys.modules.update(stand_ins)
    try:
        view = importlib.import_module("kubric.renderer.blender").Blender
        _lower_case_cryptomatte(importlib.import_module("kubric.renderer.blender_utils"))
        return view
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


def _lower_case_cryptomatte(utils: Any) -> None:
    """Blender 4 writes the channels of Cryptomatte in lower case."""
    read = utils.read_channels_from_exr

    def read_any_case(exr: Any, names: list[str]) -> Any:
        there = {name.lower(): name for name in exr.header()["channels"]}
        return read(exr, [there.get(name.lower(), name) for name in names])

    utils.read_channels_from_exr = read_any_case


def open_stock(scene: Scene, samples: int, scratch: Path) -> Any:
    """The scene in Kubric's view: `view.render(frames)` gives its layers."""
    bpy: Any
    import bpy

    class Stock(_kubric_view()):
        def add_asset(self, asset: Any) -> Any:
            if isinstance(asset, SurfaceMaterial):
                return shaders.surface(asset.name, asset.surface)
            if isinstance(asset, Environment):
                self.blender_scene.world = shaders.environment(asset.light)
                return self.blender_scene.world
            if isinstance(asset, MeshObject):
                return self._mesh(asset)
            return super().add_asset(asset)

        def _mesh(self, asset: Any) -> Any:
            thing = bpy.data.objects.new(asset.uid, blender_mesh(asset.name, asset.mesh))
            thing.rotation_mode = "QUATERNION"
            self.blender_scene.collection.objects.link(thing)
            importlib.import_module("kubric.renderer.blender").register_object3d_setters(asset, thing)
            asset.observe(
                lambda change: thing.data.materials.append(self._convert_to_blender_object(change.new)), "material"
            )
            return thing

    graph = kb.Scene(
        frame_start=0, frame_end=len(scene.cameras.K) - 1, frame_rate=scene.frame_rate, resolution=scene.resolution
    )
    view = Stock(graph, scratch_dir=str(scratch), use_denoising=True, samples_per_pixel=samples)
    fill(graph, scene)
    look = view.blender_scene.view_settings  # ours, so that images can be compared; it costs nothing
    look.view_transform, look.look = "AgX", "AgX - Medium High Contrast"
    return view
