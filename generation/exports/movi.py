"""Folders as Kubric's MOVi worker writes them, which its TFDS builders read.

    FOLDER/NAME/rgba_00000.png                 8 bits, alpha 255
                depth_00000.tiff               float32, distance to the camera centre (not z), 1e10 for sky
                segmentation_00000.png         8-bit palette, 0 = background, i = instances[i - 1]
                forward_flow_00000.png         16 bits, (row, column, 0), x(t+1) - x(t); range in data_ranges.json
                backward_flow_00000.png        likewise, x(t) - x(t-1), Kubric's sign
                normal_00000.png               16 bits, (n + 1) / 2 in the world frame, turned towards the camera
                object_coordinates_00000.png   16 bits, place in the rest box of the body
                metadata.json, events.json, data_ranges.json

Instances are the bodies that are neither ground nor structure and are seen at all, most seen pixels first. Sky has the flow
of things infinitely far. The last forward and the first backward flow are 0: MOVi's camera goes on past the clip, ours is
unknown there. Masses and the like that a body has not are NaN. Boxes fit what
deforms (`deforms`) at each time, which its object coordinates do not follow. Collisions are the contacts of each frame of the clip, from 0.
"""

from pathlib import Path

import numpy as np
from PIL import Image
from scipy.spatial.transform import Rotation

from generation.exports import _files, _movi_instances
from generation.exports._movi_instances import GL_FROM_CV
from vdpm import derive
from vdpm.clip import Clip
from vdpm.derive import Hits
from vdpm.errors import UserError
from vdpm.geometry import pixel_centres, project, rays

SKY_METRES = 1e10
SENSOR_MM = 32.0


def write(clip: Clip, folder: Path, rng: np.random.Generator) -> None:
    """Write one clip; nothing of it is random. Raises `UserError` when it has more than 255 instances."""
    base = folder / clip.name
    instances = _movi_instances.visible(clip)
    if len(instances) > 255:
        raise UserError(f"{clip.name} has {len(instances)} instances, and MOVi's ids are 8-bit: 255 at most")
    ids = np.zeros(len(clip.surfaces.face_start), np.uint8)  # one more than bodies, for -1: sky
    ids[instances] = np.arange(1, len(instances) + 1)
    for frame, image in enumerate(clip.rgb):
        _write_frame(clip, frame, image, ids[derive.bodies(clip, frame)], base)
    ranges = {name: _write_flow(clip, base, name, step) for name, step in (("forward_flow", 1), ("backward_flow", -1))}
    _files.write_json(base / "data_ranges.json", ranges)
    _files.write_json(base / "events.json", {"collisions": _movi_instances.collisions(clip, instances)})
    described = [_movi_instances.describe(clip, body) for body in instances]
    _files.write_json(
        base / "metadata.json",
        {"metadata": _scene(clip, len(instances)), "camera": camera(clip), "instances": described},
    )


def _write_frame(clip: Clip, frame: int, image: np.ndarray, ids: np.ndarray, base: Path) -> None:
    source = derive.hits(clip, frame)
    rgba = np.concatenate([image, np.full((*image.shape[:2], 1), 255, np.uint8)], axis=-1)
    _files.png(_files.path(base, f"rgba_{frame:05d}.png"), rgba)
    distance = np.linalg.norm(derive.point_map(clip, source, frame, frame), axis=-1)
    tiff = Image.fromarray(np.nan_to_num(distance, nan=SKY_METRES).astype(np.float32))
    tiff.save(base / f"depth_{frame:05d}.tiff", "TIFF")
    palette = Image.fromarray(ids)
    palette.putpalette(_movi_instances.PALETTE)
    palette.save(base / f"segmentation_{frame:05d}.png", "PNG")
    normals = derive.normals(clip, frame) @ clip.cameras.world_from_camera[frame, :3, :3].T
    _files.png16_colour(base / f"normal_{frame:05d}.png", _unit((normals + 1) / 2, 0.5))
    _files.png16_colour(base / f"object_coordinates_{frame:05d}.png", _unit(_in_box(clip, source), 0.0))


def _unit(values: np.ndarray, unknown: float) -> np.ndarray:
    """Values from 0 to 1 as 16 bits, cut off as Kubric does."""
    return (np.clip(np.nan_to_num(values, nan=unknown), 0, 1) * 65535).astype(np.uint16)


def _in_box(clip: Clip, source: Hits) -> np.ndarray:
    """Where the seen points lie in the boxes that their bodies have at rest, from 0 to 1."""
    surfaces = clip.surfaces
    rest = np.einsum(
        "nc,nca->na", source.weights, surfaces.vertices[surfaces.faces[source.triangle]].astype(np.float64)
    )
    low, high = _movi_instances.rest_boxes(surfaces)
    body = derive.body_of_triangle(surfaces, source.triangle)
    return source.image((rest - low[body]) / np.maximum(high - low, 1e-9)[body])


def _write_flow(clip: Clip, base: Path, name: str, step: int) -> dict[str, float]:
    """The flow of all frames, coded over the range that is returned."""
    frames = range(len(clip.rgb))
    flow = np.stack([_flow(clip, frame, frame + step) * step for frame in frames])
    low, high = float(flow.min()), float(flow.max())
    coded = ((flow - low) * (65535 / max(high - low, 1e-9))).astype(np.uint16)
    for frame in frames:
        image = np.concatenate([coded[frame][..., ::-1], np.zeros_like(coded[frame][..., :1])], axis=-1)
        _files.png16_colour(base / f"{name}_{frame:05d}.png", image)
    return {"min": low, "max": high}


def _flow(clip: Clip, frame: int, time: int) -> np.ndarray:
    """x(time) - x(frame), (du, dv); 0 where time is not in the clip or the point ends up behind the camera."""
    height, width = clip.rgb.shape[1:3]
    if not 0 <= time < len(clip.rgb):
        return np.zeros((height, width, 2))
    flow = derive.optical_flow(clip, frame, time)
    world = clip.cameras.world_from_camera
    turn = world[time, :3, :3].T @ world[frame, :3, :3]
    pixels = pixel_centres(height, width)
    far = project(rays(clip.cameras.K[frame], pixels) @ turn.T, clip.cameras.K[time]) - pixels
    sky = clip.triangle[frame] < 0
    flow[sky] = far[sky]
    return np.nan_to_num(flow)


def _scene(clip: Clip, instances: int) -> dict[str, object]:
    height, width = clip.rgb.shape[1:3]
    return {
        "video_name": clip.name,
        "width": width,
        "height": height,
        "num_frames": len(clip.rgb),
        "num_instances": instances,
        "motion_blur": 0.0,
        "background": str(clip.meta.get("light", {}).get("hdri", "")),
        "frame_rate": clip.meta.get("frame_rate"),
        "licences": sorted({body["licence"] for body in clip.meta.get("bodies", []) if "licence" in body}),
    }


def camera(clip: Clip) -> dict[str, object]:
    """The camera as Kubric tells it: OpenGL axes, quaternions w x y z, K in units of the image.

    K and the focal length are those of the first frame; `K_pixels` has all frames in pixels, OpenCV, corner at 0.
    """
    height, width = clip.rgb.shape[1:3]
    K, world = clip.cameras.K, clip.cameras.world_from_camera
    fx, fy, cx, cy = K[0, 0, 0] / width, K[0, 1, 1] / height, K[0, 0, 2] / width, K[0, 1, 2] / height
    rotation = world[:, :3, :3] @ GL_FROM_CV
    matrix = world[0] @ np.diag([1.0, -1.0, -1.0, 1.0])
    return {
        "focal_length": fx * SENSOR_MM,
        "sensor_width": SENSOR_MM,
        "field_of_view": float(2 * np.arctan(0.5 / fx)),
        "positions": world[:, :3, 3],
        "quaternions": np.roll(Rotation.from_matrix(rotation).as_quat(), 1, axis=1),
        "K": np.array([[fx, 0.0, -cx], [0.0, -fy, -cy], [0.0, 0.0, -1.0]]),
        "R": matrix,
        "K_pixels": K,
    }
