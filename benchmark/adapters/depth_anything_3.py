"""Depth Anything 3 (arXiv 2511.10647): depth and cameras of all frames; it follows no points.

Install: github.com/ByteDance-Seed/Depth-Anything-3 and depth-anything/DA3-GIANT. On the sorted frames of a task:

    prediction = model.inference(images)
    np.savez(out / "answer.npz", depth=prediction.depth, extrinsics=prediction.extrinsics, intrinsics=prediction.intrinsics)

Conventions: depth (T, h, w) is z; extrinsics (T, 3, 4) are camera_from_world, OpenCV; the first pixel centre is at 0. The
picture is the whole frame, resized (process_res_method "upper_bound_resize", the default). Written from the published code and tested on synthetic outputs; never run with the weights.
"""

from pathlib import Path

from benchmark import adapting
from vdpm.clip import Prediction, Video


def read(folder: Path, video: Video) -> Prediction:
    """Depth, lens and cameras; points from these."""
    found = adapting.arrays(folder / "answer.npz")
    view = adapting.View(video, found["depth"].shape[1:3])
    K = view.intrinsics(found["intrinsics"], centre_at_zero=True)
    return adapting.from_depth(video, view.back(found["depth"]), K, adapting.from_w2c(found["extrinsics"]))
