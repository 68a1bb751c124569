"""One npz a video with tracks in metres, as TAPVid-3D generates them (and WorldTrack, which reads the same fields).

    FOLDER/NAME.npz     images_jpeg_bytes (T) bytes, queries_xyt (N,3) float32, tracks_XYZ (T,N,3) float32 in the camera of
                        each time, visibility (T,N) bool, fx_fy_cx_cy (4), extrinsics_w2c (T,4,4) float64

Pixels have their corner at 0. Every point is seen in its query frame, and is known at all times, hidden or not.
"""

from pathlib import Path

import numpy as np

from generation.exports import _files
from generation.exports._tracks import follow
from vdpm.clip import Clip
from vdpm.geometry import invert, transform

TRACKS = 512


def write(clip: Clip, folder: Path, rng: np.random.Generator) -> None:
    """Write one clip. Raises `UserError` for one that zooms."""
    K = _files.one_K(clip, "tapvid3d")
    followed = follow(clip, TRACKS, rng)
    camera_from_world = invert(clip.cameras.world_from_camera)
    np.savez(
        _files.path(folder, f"{clip.name}.npz"),
        images_jpeg_bytes=np.array([_files.jpeg(image) for image in clip.rgb]),
        queries_xyt=np.concatenate([followed.pixels, followed.frames[:, None]], axis=1).astype(np.float32),
        tracks_XYZ=transform(camera_from_world[:, None], followed.positions).astype(np.float32),
        visibility=followed.visible,
        fx_fy_cx_cy=np.array([K[0, 0], K[1, 1], K[0, 2], K[1, 2]]),
        extrinsics_w2c=camera_from_world,
    )
