"""VGGT (arXiv 2503.11651) in its own environment: depth and cameras of all frames; it follows no points densely.

Install: github.com/facebookresearch/vggt and facebook/VGGT-1B (`--method vggt` runs the same weights here). After
`predictions = model(images)`, images from `load_and_preprocess_images(paths)` (mode "crop"), and
`extrinsic, intrinsic = pose_encoding_to_extri_intri(predictions["pose_enc"], images.shape[-2:])`,

    np.savez(out / "answer.npz", depth=predictions["depth"][0, ..., 0].cpu().numpy(),
             extrinsic=extrinsic[0].cpu().numpy(), intrinsic=intrinsic[0].cpu().numpy())

Conventions: extrinsic (T, 3, 4) is camera_from_world, OpenCV; the first pixel centre is at 0. Frames become 518 wide, their
height the nearest multiple of 14, of which at most the middle 518 rows are kept. Written from the published code and tested on synthetic outputs; never run with the weights.
"""

from pathlib import Path

from benchmark import adapting
from vdpm.clip import Prediction, Video

WIDTH, PATCH = 518, 14


def read(folder: Path, video: Video) -> Prediction:
    """Depth, lens and cameras; points from these."""
    found = adapting.arrays(folder / "answer.npz")
    height, width = video.rgb.shape[1:3]
    resized = (round(height * WIDTH / width / PATCH) * PATCH, WIDTH)
    view = adapting.View(video, found["depth"].shape[1:3], resized)
    K = view.intrinsics(found["intrinsic"], centre_at_zero=True)
    return adapting.from_depth(video, view.back(found["depth"]), K, adapting.from_w2c(found["extrinsic"]))
