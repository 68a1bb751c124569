"""SpatialTrackerV2 (arXiv 2507.12462): depth, cameras, and points of the first frame with their visibility.

Install: github.com/henry123-boy/SpaTrackerV2 and its weights. With the frames of a task as {output}/answer.mp4,

    python inference.py --data_type RGB --data_dir {output} --video_name answer --grid_size 64 --fps 1

writes results/answer_result.npz: coords (T, N, 3) world, extrinsics (T, 4, 4) camera_from_world, intrinsics, depths (T, h, w) with
0 where they are not sure, visibs (T, N). Two more arrays have to be saved: queries=query_xyt (N, 3) as (frame, u, v), and picture=(h, w),
both of the picture before inference.py shrinks it. The first pixel centre is at 0, and the picture is the whole frame, stretched. A pixel
takes the motion of the nearest query; unsure depth takes that of the nearest sure pixel. Written from the published code and tested on synthetic outputs; never run with the weights.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmark import adapting
from vdpm.clip import Prediction, Video
from vdpm.geometry import pixel_centres

SEEN = 0.5


def read(folder: Path, video: Video) -> Prediction:
    """Depth and cameras; points of the first frame where these are all that is asked for."""
    found = adapting.arrays(folder / "results" / "answer_result.npz")
    pose, depth = adapting.from_w2c(found["extrinsics"]), filled(found["depths"])
    view = adapting.View(video, depth.shape[1:3])
    K = view.intrinsics(found["intrinsics"], centre_at_zero=True)
    geometry = adapting.from_depth(video, view.back(depth), K, pose)
    if not adapting.only_first(video):
        return replace(geometry, points=None, note="only the pixels of the first frame were followed")
    nearest = nearest_query(found["queries"][:, 1:], tuple(int(side) for side in found["picture"]), video)
    tracks = adapting.in_first_camera(found["coords"], pose)
    own = geometry.points
    assert own is not None
    moved = own[0, 0] + (tracks - tracks[0])[:, nearest]
    visible = found["visibs"].reshape(tracks.shape[:2])[:, nearest] > SEEN
    return replace(geometry, points=moved[None].astype(np.float32), visible=visible[None])


def filled(depth: np.ndarray) -> np.ndarray:
    """Depth whose zeros take the value of the nearest pixel that has one."""
    from scipy.ndimage import distance_transform_edt

    full = depth.copy()
    for number, image in enumerate(depth):
        if (image > 0).any():
            index = distance_transform_edt(image <= 0, return_distances=False, return_indices=True)
            assert index is not None
            full[number] = image[tuple(index)]
    return full


def nearest_query(uv: np.ndarray, picture: tuple[int, ...], video: Video) -> np.ndarray:
    """For each pixel of the video the query that is nearest to it in the picture."""
    from scipy.spatial import KDTree

    height, width = video.rgb.shape[1:3]
    scale = np.array([picture[1] / width, picture[0] / height])
    _, index = KDTree(uv + 0.5).query(pixel_centres(height, width).reshape(-1, 2) * scale)
    return index.reshape(height, width)
