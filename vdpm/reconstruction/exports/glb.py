"""A glTF file with motion, for Blender and every glTF viewer: scene.glb.

One cloud of points a time, each in a node that an animation shows at its time by scale 1 and hides by scale 0 (STEP), and
the camera as an animated node. glTF has +y up and cameras that look along -z: the root turns OpenCV's world over.
"""

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from vdpm.files import replacing
from vdpm.reconstruction.cloud import Points, frame_points, some_times
from vdpm.reconstruction.record import Reconstruction

TIMES = 60
POINTS = 600_000
"""Of the file, shared by the times: about 10 MB."""
FLIP = np.diag([1.0, -1.0, -1.0])
"""OpenCV axes to glTF axes and back."""
FLOAT, UBYTE, ARRAY_BUFFER, AS_POINTS = 5126, 5121, 34962, 0
HIDDEN = 0.0
SHOWN = 1.0


class Glb:
    """glTF's JSON and its one buffer while they grow."""

    def __init__(self) -> None:
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []
        self.data = bytearray()

    def add(self, values: np.ndarray, kind: str, **facts: Any) -> int:
        """An array as an accessor; its number."""
        raw = np.ascontiguousarray(values).tobytes()
        self.views.append({"buffer": 0, "byteOffset": len(self.data), "byteLength": len(raw), **facts.pop("view", {})})
        component = UBYTE if values.dtype == np.uint8 else FLOAT
        self.accessors.append({"bufferView": len(self.views) - 1, "componentType": component, "count": len(values),
                               "type": kind, **facts})  # fmt: skip
        self.data += raw + bytes(-len(raw) % 4)
        return len(self.accessors) - 1

    def file(self, content: dict[str, Any]) -> bytes:
        """Header, JSON chunk, binary chunk (glTF 2.0, section 4.4)."""
        whole = {**content, "accessors": self.accessors, "bufferViews": self.views,
                 "buffers": [{"byteLength": len(self.data)}]}  # fmt: skip
        text = json.dumps(whole, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 4)
        head = struct.pack("<4sII", b"glTF", 2, 12 + 8 + len(text) + 8 + len(self.data))
        return (
            head
            + struct.pack("<I4s", len(text), b"JSON")
            + text
            + struct.pack("<I4s", len(self.data), b"BIN\0")
            + self.data
        )


def write(reconstruction: Reconstruction, folder: Path) -> Path:
    path = folder / "scene.glb"
    with replacing(path) as file:
        file.write(glb(reconstruction))
    return path


def glb(reconstruction: Reconstruction) -> bytes:
    """The file. Node 0 is the root, 1 the camera, the clouds follow."""
    buffer, times = Glb(), some_times(reconstruction, TIMES)
    clouds = [frame_points(reconstruction, frame, POINTS // len(times)) for frame in times.tolist()]
    clouds = [cloud if len(cloud.place) else _dot() for cloud in clouds]
    seconds = reconstruction.seconds[times] - reconstruction.seconds[0]
    meshes = [{"primitives": [_primitive(buffer, cloud)]} for cloud in clouds]
    nodes = [
        {"name": "world", "rotation": [1, 0, 0, 0], "children": list(range(1, len(times) + 2))},
        {"name": "camera", "camera": 0},
        *({"name": f"time {frame}", "mesh": number, "scale": [float(number == 0)] * 3}
          for number, frame in enumerate(times.tolist())),
    ]  # fmt: skip
    return buffer.file(
        {
            "asset": {"version": "2.0", "generator": "vdpm"},
            "extensionsUsed": ["KHR_materials_unlit"],
            "scene": 0,
            "scenes": [{"nodes": [0]}],
            "nodes": nodes,
            "meshes": meshes,
            "cameras": [_camera(reconstruction)],
            "materials": [{"extensions": {"KHR_materials_unlit": {}}, "pbrMetallicRoughness": {"metallicFactor": 0}}],
            "animations": [_animation(buffer, reconstruction, times, seconds)],
        }
    )


def _dot() -> Points:
    """Stands for a time without points, which glTF does not know."""
    return Points(place=np.zeros((1, 3), np.float32), colour=np.zeros((1, 3), np.uint8),
                  confidence=np.zeros(1, np.float32), pixel=np.zeros((1, 2), int))  # fmt: skip


def _primitive(buffer: Glb, cloud: Points) -> dict[str, Any]:
    """Colours of vertices are linear in glTF."""
    limits = {"min": cloud.place.min(axis=0).tolist(), "max": cloud.place.max(axis=0).tolist()}
    opaque = np.full((len(cloud.colour), 4), 255, np.uint8)
    opaque[:, :3] = (255 * _linear(cloud.colour / 255)).round()
    view = {"target": ARRAY_BUFFER}
    place = buffer.add(cloud.place.astype("<f4"), "VEC3", view=view, **limits)
    colour = buffer.add(opaque, "VEC4", view=view, normalized=True)
    return {"mode": AS_POINTS, "material": 0, "attributes": {"POSITION": place, "COLOR_0": colour}}


def _linear(srgb: np.ndarray) -> np.ndarray:
    """IEC 61966-2-1."""
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def _camera(reconstruction: Reconstruction) -> dict[str, Any]:
    height, width = reconstruction.rgb.shape[1:3]
    fov = 2 * np.arctan(height / 2 / reconstruction.K[0, 1, 1])
    return {"type": "perspective", "perspective": {"yfov": float(fov), "aspectRatio": width / height, "znear": 0.001}}


def _animation(buffer: Glb, reconstruction: Reconstruction, times: np.ndarray, seconds: np.ndarray) -> dict[str, Any]:
    """Of the camera, between times, and of the clouds, at times."""
    start = buffer.add(seconds.astype("<f4"), "SCALAR", min=[float(np.float32(seconds.min()))],
                       max=[float(np.float32(seconds.max()))])  # fmt: skip
    poses = reconstruction.world_from_camera[times]
    turns = Rotation.from_matrix(poses[:, :3, :3] @ FLIP).as_quat()
    flips = np.cumprod([1.0, *np.sign(np.einsum("na,na->n", turns[1:], turns[:-1]))])  # the short way round
    curves = [(1, "translation", "LINEAR", poses[:, :3, 3]), (1, "rotation", "LINEAR", turns * flips[:, None])]
    for number in range(len(times)):
        visible = np.where(np.arange(len(times)) == number, SHOWN, HIDDEN)
        curves.append((number + 2, "scale", "STEP", np.repeat(visible[:, None], 3, axis=1)))
    samplers = [
        {"input": start, "interpolation": how, "output": buffer.add(values.astype("<f4"), f"VEC{values.shape[1]}")}
        for _, _, how, values in curves
    ]
    channels = [
        {"sampler": number, "target": {"node": node, "path": what}} for number, (node, what, _, _) in enumerate(curves)
    ]
    return {"name": "time", "samplers": samplers, "channels": channels}
