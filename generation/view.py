"""A Kubric view for Blender 4.2 and later: what Kubric's own cannot do there, and only what we need.

Kubric's Blender view stops working with Blender 4 (the inputs of the Principled BSDF were renamed) and asks the renderer
for ground truth. This one has a single view layer and makes RGB; truth comes from `vdpm.raycast`.
It mirrors Kubric assets into Blender objects: meshes are handed over as arrays, never through a file format, so that
triangles keep their order; traits and key frames follow through Kubric's observers. Counterparts bear the assets' names,
not their uids, which count on from clip to clip.
"""

from functools import singledispatchmethod
from pathlib import Path
from typing import Any

import numpy as np
import traitlets as tl
from jaxtyping import Float32

from generation import devices, motion, shaders
from generation import subpixels as fine
from generation.kubric_compat import Light as KubricLight
from generation.kubric_compat import Object3D, View, kb
from generation.scene import Light, Material, Mesh, Optics

bpy: Any
import bpy  # noqa: E402

THREADS = 2
"""Of Cycles: they change no byte. With one, a thread that waits for it spins, and costs as much as it while a core is free."""
RENDER_SEED_STEP = 7919


class SurfaceMaterial(kb.Material):
    """A Kubric material made from our numbers."""

    surface = tl.Instance(Material)


class MeshObject(kb.FileBasedObject):
    """A Kubric object whose geometry is in memory; `shapes` (T, V, 3) are its vertices frame by frame if it deforms."""

    mesh = tl.Instance(Mesh)
    shapes = tl.Instance(np.ndarray, allow_none=True, default_value=None)


class Environment(KubricLight):
    """An HDRI all around the scene."""

    light = tl.Instance(Light)


class BlenderView(View):
    """Renders a Kubric scene with Cycles, single-threaded and seeded: the same scene gives the same bytes."""

    def __init__(
        self,
        scene: kb.Scene,
        samples: int,
        shutter: float = 0.0,
        device: str = "cpu",
        engine: str = "cycles",
        subpixels: int = 1,
    ):
        """Resets Blender, which is a global of the process, and links the scene to it.

        `samples` are per pixel, shared among its `subpixels` x `subpixels`; the shutter is open for a share of the time
        between frames, half before and half after. Raises `UserError` if the device is not there.
        """
        bpy.ops.wm.read_factory_settings(use_empty=True)
        self.blender_scene = bpy.context.scene
        self.subpixels = subpixels
        configure(self.blender_scene, max(1, samples // subpixels**2))
        if subpixels > 1:
            fine.configure(self.blender_scene)
        devices.apply(self.blender_scene, device)
        if engine == "eevee":
            configure_eevee(self.blender_scene, samples)
        self._blurred = shutter > 0
        self._deforming: list[tuple[Any, np.ndarray]] = []
        if self._blurred:
            render = self.blender_scene.render
            render.use_motion_blur, render.motion_blur_shutter = True, shutter
            render.motion_blur_position = "CENTER"
        super().__init__(scene, scene_observers={"camera": [self._on_camera], "resolution": [self._on_resolution]})

    def render(self, frame: int, path: Path) -> None:
        """Render one frame into a PNG file. The noise differs from frame to frame and is fixed by the frame number."""
        self._pose(frame)
        if self.subpixels == 1:
            self._still(path)
        else:
            self._shrunk(path)

    def render_as_set(self, frame: int, path: Path) -> None:
        """Render one frame, sub-pixels and all, into a file of the kind that the scene's output settings name."""
        self._pose(frame)
        self._still(path)

    def _pose(self, frame: int) -> None:
        for mesh, shapes in self._deforming:
            mesh.vertices.foreach_set("co", np.ascontiguousarray(shapes[frame].reshape(-1), np.float32))
            mesh.update()
        self.blender_scene.frame_set(frame)
        self.blender_scene.cycles.seed = frame * RENDER_SEED_STEP

    def _still(self, path: Path) -> None:
        self.blender_scene.render.filepath = str(path)
        bpy.ops.render.render(write_still=True)

    def _shrunk(self, path: Path) -> None:
        """Filter in linear light, then the view transform."""
        linear = path.with_suffix(".exr")
        linear.unlink(missing_ok=True)
        output(self.blender_scene, "OPEN_EXR")
        self._still(linear)
        self.show(fine.shrink(_load(linear), self.subpixels), path)

    def show(self, pixels: Float32[np.ndarray, "H W 4"], path: Path) -> None:
        """Write linear light, rows from the bottom up, into a PNG file as the view transform shows it."""
        output(self.blender_scene, "PNG")
        height, width = pixels.shape[:2]
        image = bpy.data.images.new("shown", width, height, float_buffer=True)
        image.pixels.foreach_set(np.ascontiguousarray(pixels).reshape(-1))
        image.save_render(str(path), scene=self.blender_scene)
        bpy.data.images.remove(image)

    def open_lens(self, optics: Optics) -> None:
        """Give the camera its aperture, and its focus frame by frame."""
        if self._blurred:
            for thing in bpy.data.objects:
                motion.go_on(thing)
        if optics.f_stop is None or optics.focus is None:
            return
        lens = self.blender_scene.camera.data.dof
        lens.use_dof, lens.aperture_fstop = True, optics.f_stop
        for frame, distance in enumerate(optics.focus):
            lens.focus_distance = distance
            lens.keyframe_insert("focus_distance", frame=frame)

    def _on_camera(self, change: Any) -> None:
        self.add(change.new)
        self.blender_scene.camera = change.new.linked_objects.get(self)

    def _on_resolution(self, change: Any) -> None:
        render, (width, height) = self.blender_scene.render, change.new
        render.resolution_x, render.resolution_y = width * self.subpixels, height * self.subpixels

    @singledispatchmethod
    def add_asset(self, asset: kb.Asset) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The Blender counterpart of an asset."""
        raise TypeError(f"this view has no counterpart for {type(asset).__name__}: add one to generation/view.py")

    def remove_asset(self, asset: kb.Asset) -> None:
        """Remove the counterpart of an asset from Blender."""
        counterpart = asset.linked_objects.get(self)
        if isinstance(counterpart, bpy.types.Object):
            bpy.data.objects.remove(counterpart, do_unlink=True)

    @add_asset.register
    def _add_material(self, asset: SurfaceMaterial) -> Any:
        return shaders.surface(asset.name, asset.surface, self.subpixels)

    @add_asset.register
    def _add_mesh(self, asset: MeshObject) -> Any:
        mesh = blender_mesh(asset.name, asset.mesh)
        shapes: Any = asset.shapes
        if shapes is not None and not self._blurred:
            self._deforming.append((mesh, shapes))
        counterpart = self._link(asset, mesh)
        if shapes is not None and self._blurred:
            motion.deform(counterpart, shapes)
        asset.observe(lambda change: counterpart.data.materials.append(self._counterpart(change.new)), "material")
        return counterpart

    @add_asset.register
    def _add_camera(self, asset: kb.PerspectiveCamera) -> Any:
        camera = bpy.data.cameras.new(asset.name)
        camera.sensor_fit = "HORIZONTAL"
        for trait, attribute in (
            ("focal_length", "lens"),
            ("shift_x", "shift_x"),
            ("shift_y", "shift_y"),
            ("sensor_width", "sensor_width"),
            ("min_render_distance", "clip_start"),
            ("max_render_distance", "clip_end"),
        ):
            asset.observe(_setter(camera, attribute), trait)
            asset.observe(_keyframer(camera, attribute), trait, type="keyframe")
        return self._link(asset, camera)

    @add_asset.register
    def _add_sun(self, asset: kb.DirectionalLight) -> Any:
        sun = bpy.data.lights.new(asset.name, "SUN")
        for trait, attribute in (("color", "color"), ("intensity", "energy"), ("shadow_softness", "angle")):
            asset.observe(_setter(sun, attribute), trait)
        return self._link(asset, sun)

    @add_asset.register
    def _add_panel(self, asset: kb.RectAreaLight) -> Any:
        panel = bpy.data.lights.new(asset.name, "AREA")
        panel.shape = "RECTANGLE"
        for trait, attribute in (("color", "color"), ("intensity", "energy"), ("width", "size"), ("height", "size_y")):
            asset.observe(_setter(panel, attribute), trait)
        return self._link(asset, panel)

    @add_asset.register
    def _add_environment(self, asset: Environment) -> Any:
        self.blender_scene.world = shaders.environment(asset.light)
        return self.blender_scene.world

    def _counterpart(self, asset: kb.Asset) -> Any:
        self.add(asset)
        return asset.linked_objects[self]

    def _link(self, asset: Object3D, data: Any) -> Any:
        """A Blender object in the scene whose pose follows the asset, key frames included."""
        counterpart = bpy.data.objects.new(asset.name, data)
        counterpart.rotation_mode = "QUATERNION"
        self.blender_scene.collection.objects.link(counterpart)
        for trait, attribute in (("position", "location"), ("quaternion", "rotation_quaternion")):
            asset.observe(_setter(counterpart, attribute), trait)
            asset.observe(_keyframer(counterpart, attribute), trait, type="keyframe")
        return counterpart


def _setter(target: Any, attribute: str) -> Any:
    return lambda change: setattr(target, attribute, change.new)


def _keyframer(target: Any, attribute: str) -> Any:
    return lambda change: target.keyframe_insert(attribute, frame=change.frame)


def configure(scene: Any, samples: int) -> None:
    """Cycles on the CPU with every setting that matters for the bytes said aloud."""
    scene.render.engine = "CYCLES"
    cycles, render, view = scene.cycles, scene.render, scene.view_settings
    cycles.device, cycles.samples = "CPU", samples
    cycles.use_adaptive_sampling = False
    cycles.use_denoising, cycles.denoiser = True, "OPENIMAGEDENOISE"
    cycles.denoising_input_passes, cycles.denoising_prefilter = "RGB_ALBEDO_NORMAL", "FAST"
    cycles.use_light_tree = False
    cycles.max_bounces, cycles.diffuse_bounces, cycles.glossy_bounces = 4, 3, 3
    cycles.caustics_reflective = cycles.caustics_refractive = False
    cycles.sample_clamp_indirect = 10.0
    render.threads_mode, render.threads = "FIXED", THREADS
    render.use_persistent_data = True
    render.resolution_percentage = 100
    render.use_motion_blur = False
    render.dither_intensity = 0.0
    output(scene, "PNG")
    scene.display_settings.display_device = "sRGB"
    view.view_transform, view.look, view.exposure, view.gamma = "AgX", "AgX - Medium High Contrast", 0.0, 1.0


def output(scene: Any, kind: str) -> None:
    """Write PNG as it is seen, or OPEN_EXR or OPEN_EXR_MULTILAYER in linear light."""
    settings = scene.render.image_settings
    settings.file_format, settings.color_mode = kind, "RGB"
    if kind == "PNG":
        settings.color_depth, settings.compression = "8", 15
    else:
        settings.color_depth, settings.exr_codec = "32", "NONE"


def _load(path: Path) -> Float32[np.ndarray, "H W 4"]:
    """The values of an image file as they are; rows from the bottom up."""
    image = bpy.data.images.load(str(path), check_existing=False)
    width, height = image.size
    pixels = np.empty(height * width * 4, np.float32)
    image.pixels.foreach_get(pixels)
    bpy.data.images.remove(image)
    return pixels.reshape(height, width, 4)


def configure_eevee(scene: Any, samples: int) -> None:
    """The rasteriser instead, with screen-space reflections and soft shadows. Its bytes depend on the OpenGL driver."""
    scene.render.engine = "BLENDER_EEVEE_NEXT"
    scene.eevee.taa_render_samples = samples
    scene.eevee.use_raytracing = True
    scene.eevee.use_shadows = True


def blender_mesh(name: str, mesh: Mesh) -> Any:
    """A Blender mesh with exactly our vertices and triangles, in our order."""
    data = bpy.data.meshes.new(name)
    data.from_pydata(mesh.vertices, [], mesh.faces.tolist())
    rest = data.attributes.new(shaders.REST, "FLOAT_VECTOR", "POINT")
    rest.data.foreach_set("vector", np.ascontiguousarray(mesh.vertices.reshape(-1), np.float32))
    if mesh.uv is not None:
        layer = data.uv_layers.new(name="uv")
        layer.data.foreach_set("uv", np.ascontiguousarray(mesh.uv[mesh.faces].reshape(-1), np.float32))
    if mesh.smooth:
        data.set_sharp_from_angle(angle=np.radians(35.0))
    else:
        data.shade_flat()
    return data
