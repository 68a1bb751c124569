"""Folders as PointOdyssey 1.2 ships them.

    FOLDER/train/NAME/rgbs/rgb_00000.jpg          masks/mask_00000.png     ids of bodies + 1, 0 for sky, 8 bits
                      depths/depth_00000.png      uint16, metres = v / 65535 * 1000 (steps of 15 mm), sky 65535
                      normals/normal_00000.jpg    world frame, (n + 1) / 2 * 255
                      anno.npz                    trajs_2d (T,N,2), trajs_3d (T,N,3) world, visibs, valids (T,N),
                                                  intrinsics (T,3,3), extrinsics (T,4,4) camera_from_world
                      info.npz                    the shapes of these, which loaders look at first

Pixels have their corner at 0, as Blender's do. Cameras are OpenCV's, which version 1.2 has and 1.0 has not.
"""

from pathlib import Path

import numpy as np

from generation.exports import _files
from generation.exports._tracks import follow
from vdpm import derive
from vdpm.clip import Clip
from vdpm.geometry import invert, transform

TRACKS = 2048
FARTHEST_METRES = 1000.0


def write(clip: Clip, folder: Path, rng: np.random.Generator) -> None:
    """Write one clip."""
    base = folder / "train" / clip.name
    for frame, image in enumerate(clip.rgb):
        _files.path(base, "rgbs", f"rgb_{frame:05d}.jpg").write_bytes(_files.jpeg(image))
        _files.png(_files.path(base, "depths", f"depth_{frame:05d}.png"), coded_depth(derive.depth(clip, frame)))
        ids = np.clip(derive.bodies(clip, frame) + 1, 0, 255).astype(np.uint8)
        _files.png(_files.path(base, "masks", f"mask_{frame:05d}.png"), ids)
        normals = derive.normals(clip, frame) @ clip.cameras.world_from_camera[frame, :3, :3].T
        colours = np.round((np.nan_to_num(normals) + 1) / 2 * 255).astype(np.uint8)
        _files.path(base, "normals", f"normal_{frame:05d}.jpg").write_bytes(_files.jpeg(colours))
    annotations = annotate(clip, rng)
    np.savez_compressed(_files.path(base, "anno.npz"), **annotations)
    shapes = {name: np.array(values.shape, np.int64) for name, values in annotations.items()}
    np.savez_compressed(_files.path(base, "info.npz"), **shapes)


def annotate(clip: Clip, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """The arrays of anno.npz; a point behind the camera has no place in the image and is not valid there."""
    followed = follow(clip, TRACKS, rng)
    camera_from_world = invert(clip.cameras.world_from_camera)
    camera = transform(camera_from_world[:, None], followed.positions)
    valid = camera[..., 2] > 0
    on_plane = np.einsum("tab,tnb->tna", clip.cameras.K, camera) / np.where(valid, camera[..., 2], 1.0)[..., None]
    return {
        "trajs_2d": np.where(valid[..., None], on_plane[..., :2], 0.0).astype(np.float32),
        "trajs_3d": followed.positions.astype(np.float32),
        "visibs": followed.visible,
        "valids": valid,
        "intrinsics": clip.cameras.K.astype(np.float32),
        "extrinsics": camera_from_world.astype(np.float32),
    }


def coded_depth(depth: np.ndarray) -> np.ndarray:
    """Metres as uint16; what is unknown or too far is the largest number."""
    metres = np.nan_to_num(depth, nan=FARTHEST_METRES)
    return np.round(np.clip(metres, 0, FARTHEST_METRES) / FARTHEST_METRES * 65535).astype(np.uint16)
