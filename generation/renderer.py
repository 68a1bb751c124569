"""Scene -> RGB frames, through Kubric's scene graph and our Blender view."""

import sys
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float64, UInt8
from PIL import Image
from pyquaternion import Quaternion

from generation.kubric_compat import Object3D, RedirectStream, kb
from generation.scene import Scene
from generation.sharer import Sharer
from generation.view import BlenderView, Environment, MeshObject, SurfaceMaterial

SENSOR_MM = 36.0
SUN_ANGLE_RADIANS = 0.02
OPENCV_FROM_BLENDER = np.diag([1.0, -1.0, -1.0, 1.0])
"""Camera axes: Blender looks along -z with +y up."""


def render(
    scene: Scene,
    samples: int,
    scratch: Path,
    device: str = "cpu",
    engine: str = "cycles",
    subpixels: int = 1,
    neighbours: int = 0,
) -> UInt8[np.ndarray, "T H W 3"]:
    """All frames of a scene with `samples` light paths per pixel, denoised, if asked for at `subpixels` times the width and
    height, and with the light of `neighbours` frames before and after each. `scratch` is an existing folder."""
    with RedirectStream(stream=sys.stdout):  # Blender reports every frame
        view = open_view(scene, samples, device, engine, subpixels)
        if neighbours:
            image = Sharer(view, scene, neighbours, scratch).image
        else:
            image = partial(_frame, view, path=scratch / "frame.png")
        return np.stack([image(frame) for frame in range(len(scene.cameras.K))])


def open_view(
    scene: Scene, samples: int, device: str = "cpu", engine: str = "cycles", subpixels: int = 1
) -> BlenderView:
    """The scene in Blender, ready to render. Key frames reach only the views that exist, so the view comes first."""
    graph = kb.Scene(
        frame_start=0, frame_end=len(scene.cameras.K) - 1, frame_rate=scene.frame_rate, resolution=scene.resolution
    )
    view = BlenderView(graph, samples, scene.optics.shutter, device, engine, subpixels)
    fill(graph, scene)
    view.open_lens(scene.optics)
    return view


def fill(graph: kb.Scene, scene: Scene) -> None:
    """Put a scene into Kubric's graph, which hands it on to its view."""
    _add_light(graph, scene)
    for body in scene.bodies:
        material = SurfaceMaterial(name=f"{body.name}_surface", surface=body.material)
        thing = MeshObject(
            name=body.name, asset_id=body.asset.id, mesh=body.asset.mesh, shapes=body.shapes, material=material
        )
        graph.add(thing)
        _animate(thing, body.world_from_body)
    _add_camera(graph, scene)


def _frame(view: BlenderView, frame: int, path: Path) -> UInt8[np.ndarray, "H W 3"]:
    path.unlink(missing_ok=True)  # a frame that fails to render must not show the one before it
    try:
        view.render(frame, path)
    except RuntimeError as error:  # a full disk, say: nothing that the next draw of the clip would be rid of
        raise OSError(f"Blender could not render: {error}") from error
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def _add_light(graph: kb.Scene, scene: Scene) -> None:
    light = scene.light
    graph.add(Environment(name="environment", light=light))
    if light.sun_strength > 0:
        sun = kb.DirectionalLight(name="sun", intensity=light.sun_strength, shadow_softness=SUN_ANGLE_RADIANS)
        graph.add(sun)
        sun.position = light.sun_direction
        sun.look_at((0.0, 0.0, 0.0))
    for number, lamp in enumerate(light.lamps):
        panel = kb.RectAreaLight(name=f"lamp_{number}", width=lamp.size, height=lamp.size, intensity=lamp.watts)
        graph.add(panel)
        panel.position = lamp.position


def _add_camera(graph: kb.Scene, scene: Scene) -> None:
    """The lens, key-framed if it zooms. Blender counts the shift of the principal point in widths, for both axes."""
    width, height = scene.resolution
    camera = kb.PerspectiveCamera(name="camera", sensor_width=SENSOR_MM)
    graph.camera = camera
    _animate(camera, scene.cameras.world_from_camera @ OPENCV_FROM_BLENDER)
    for frame, K in enumerate(scene.cameras.K):
        camera.focal_length = K[0, 0] / width * SENSOR_MM
        camera.shift_x = (width / 2 - K[0, 2]) / width
        camera.shift_y = (K[1, 2] - height / 2) / width
        for trait in ("focal_length", "shift_x", "shift_y"):
            camera.keyframe_insert(trait, frame)


def _animate(thing: Object3D, world_from_thing: Float64[np.ndarray, "T 4 4"]) -> None:
    """Key frames of a path; none after the first for a thing that never moves.

    Of the two quaternions of a turn it is the one nearer to the frame before: Blender goes from one to the next.
    """
    still, before = bool((world_from_thing == world_from_thing[:1]).all()), np.zeros(4)
    for frame, matrix in enumerate(world_from_thing[:1] if still else world_from_thing):
        turn = Quaternion(matrix=matrix[:3, :3], rtol=1e-6, atol=1e-6).elements
        before = -turn if turn @ before < 0 else turn
        thing.position = matrix[:3, 3]
        thing.quaternion = tuple(before)
        thing.keyframe_insert("position", frame)
        thing.keyframe_insert("quaternion", frame)
